// Package sim runs the whole of it in one process and in virtual time: several
// hosts with the real engine and the real Azure provider, over a simulated
// storage account that fails on purpose, under a nemesis that kills, pauses and
// cuts hosts. Everything that happens follows from one number, the seed.
//
// # A run
//
//	trouble: hosts work, clients start and wait, requests fail, hosts die   2–4 min
//	heal:    no more faults; three hosts run; every client must be served  10 min at most
//	audit:   what storage holds, what clients were told, and what activities did
//
// Lives differ in character. In gentle ones requests succeed, those of blobs
// apart, and hosts come and go in an orderly way: then no activity may run twice
// at once, and without trouble with blobs none may run again that has ended. In
// others a night passes without a host before the audit, and an hour with one, in
// which purged ids are forgotten.
//
// The minutes are virtual. A run fails when a write breaks an invariant of the
// provider, when a client is not served in time or is told something wrong, when
// an effect counts twice or not at all, when a history is not valid, or when
// goroutines are left over.
//
// Hosts talk to the account through package storage, without HTTP. Those of
// TestSeedsThroughTheSDK and TestEveryFaultThroughTheSDK reach it as programs reach Azure: the client of the Azure SDK,
// its encoders, time-outs and judgement of errors are part of what is simulated.
//
// # A seed that failed
//
// prints itself, the mix of faults, what the nemesis did, the last requests, and
// the command that runs it again:
//
//	go test ./test/sim -run TestSeeds$ -sim.seed=N -sim.seeds=1 -sim.trace
package sim
