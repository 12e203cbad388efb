// Package duroxide is the landing page of duroxide-go, durable execution for
// Go. It exports nothing; this page says what the system is and where to go on.
//
// You write ordinary Go functions, orchestrations, that survive crashes,
// deploys and moves between machines, and they call plain Go functions,
// activities, that do the work. State lives in storage you already have: one
// SQLite file on one machine. (Many machines on one Azure Storage account, the
// servers, the site and the analyser come next; docs/features.md says what works
// today.)
//
// # Where to start
//
// Orchestrations are written with package core/orchestration, activities with
// package core/activity. Package core runs both: a Worker hosts them, a Client
// starts instances and talks to them. A store comes from one of the providers.
// The Example of core/orchestration shows all four together.
//
// # The map
//
//	core                        the face: Worker, Client
//	core/orchestration          what authors of orchestrations import
//	core/activity               what authors of activities import
//	core/history                the nouns: events, kinds, failures, format versions
//	core/codec                  values to payloads and back
//	core/provider               the contract between engine and storage
//	core/provider/providertest  the conformance suite of providers
//	providers/memory            for tests, and the reference implementation
//	providers/sqlite            the embedded default
//	cmd/duroxide                the command line: demo, bench, hub verify
//	samples/azure-provisioning  environments in Azure, made once whatever dies
//	internal/verify             the auditor, which shares no code with the engine
//	internal/lint               the rules of this repository, as tests
//	test                        scenarios of the whole engine, and chaos
//
// # How it works, in one paragraph
//
// An instance is a running orchestration; its history is the list of events
// that happened to it. A message (start, event, completed activity) makes a
// turn: the engine replays the history into the orchestration's code, or goes
// on with the live instance it kept, until the code waits again, and commits
// the new events, the outgoing messages, the timers and the consumed message in
// one atomic step. Because the history alone decides what the code sees, any
// host can take over at any moment.
//
// # Ten minutes in the source
//
// Each package opens with a doc.go that can be read alone. In this order they
// tell the whole story: the Example of core/orchestration, Worker.Run in core,
// core/internal/dispatch, core/internal/replay/doc.go,
// core/provider/provider.go, providers/memory, providers/sqlite/doc.go.
package duroxide
