// Package azuretest is a storage account in memory with a hub in it, for tests
// of programs that will run on the Azure provider: the same orchestrations on
// several hosts, with Azure's rules, without an account, a server or a network.
// It also breaks on purpose, and the same run can be had again from its seed.
//
//	account := azuretest.New(azuretest.Config{})
//	defer account.Close()
//	host, err := account.Open(ctx, "a")
//	worker := core.NewWorker(host, core.WorkerConfig{}).Register(handlers...)
//
// # The model
//
// An [Account] is what all processes share. A [Host] is one process: it is a
// provider.Store, for workers and for clients, with its own way to the account,
// which can be killed, paused and cut. A process that starts again is a new
// Host, of the same name or another.
//
// # Time
//
// Without [Config.Latency] nothing takes time, and the account is good for
// ordinary tests. In a testing/synctest bubble set a latency: then leases
// expire, timers fire and hosts die at once, and what happens is determined by
// the seed.
//
// # Rules
//
//   - A1 The account judges every write by those invariants of the provider that
//     can be judged so; [Account.Violations] are what it found. A test asks at its
//     end.
//   - A2 A killed host is a process after kill -9: nothing of it reaches the
//     account any more. Its goroutines, which a real process takes with it, end
//     with [Host.Close] and [Account.Close].
//   - A3 A paused host is a process after SIGSTOP as far as storage goes: no call
//     of it returns until it is resumed. Code that makes no call runs on.
package azuretest
