// Command duroxide shows, measures and checks durable orchestrations.
//
//	duroxide demo        watch orders survive kill -9
//	duroxide bench       measure a store on this machine
//	duroxide hub verify  audit a hub
//	duroxide version     say which build this is
//
// Run it from a clone with go run ./cmd/duroxide. The verbs live in
// internal/cli, one file each; this is the only program of the module that
// wires providers to the engine.
package main
