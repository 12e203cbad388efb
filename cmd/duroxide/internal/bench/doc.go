// Package bench measures a store on the machine at hand: how many orchestrations
// a worker completes, how long each takes, and what that costs, next to what the
// store alone could do.
//
// # What runs
//
// A [Workload] is a shape of orchestration. A load starts many instances of it,
// some at a time, from the process of the worker or from one of its own, and
// waits for each until its completion is visible to a client. Latency counts
// from the accepted start to that moment.
//
// # The raw limit
//
// Before the run, on memory and SQLite, the same process drives a store of the same kind through its
// contract alone: it sends the same starts and events, takes turns, commits
// hand-made decisions of the same shape and sizes, runs activities that do
// nothing, and waits for the ends, all with the same concurrency. No replay
// machine and no orchestration code take part. Both begin after a short run that
// does not count. What it reaches is the limit
// that no engine on this store can pass by much; the ratio says how near the
// engine comes.
//
// On Azure Storage the limit is another, since the store's own protocol is what is
// to be judged: bare entity groups against the same account. They are equal to
// the run's: as many rows in a group, inserted, changed and deleted in the run's
// proportions and as large, in as many partitions, each of them as full as the
// hub's were, averaged over the run. (Emulators become slower as a partition
// fills.) Heads of partitions are not among them: they are the price of safety,
// and so is what an upsert costs more than a change. How many orchestrations a
// second those rows would be is the limit; beside it stands what groups of a
// hundred rows would come to. Requests are counted as they are billed, and a loop
// of single rows, in the same partitions, says what the Durable Task Framework's
// number of transactions would come to. The three loops take turns.
//
// # What can be trusted
//
//   - B1 Every instance is checked: it completed, and its output counts all its
//     steps. A run with a wrong one is an error, not a figure.
//   - B2 Figures are of this run on this machine, disk and load included; only
//     those of one report compare.
package bench
