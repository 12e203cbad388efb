// Package azurite installs and runs Azurite, the emulator of Azure Storage, for
// tests, the demo and the benchmarks. It needs Node.js with npm on the machine,
// and nothing else.
//
// [Start] installs the pinned version once per user (the packages named by the
// lock file in npm/, into the user's cache folder), starts a server on free
// ports, and returns when all three services listen. Tests share one server per
// test binary: see package azuritetest.
//
//	server, err := azurite.Start(ctx, azurite.Config{})
//	…
//	client := open(server.ConnectionString())
//	…
//	err = server.Stop()
//
// # What Azurite is not
//
// It accepts much that Azure refuses: package strict refuses it. It never fails:
// package faulty makes it. Its queue operations cost as much as there are
// messages in the whole server, so tests keep few of them. It saves to disk every
// five seconds, so a server that is killed loses what it has acknowledged: a test
// may pause a server or cut it off, and never kill it.
//
// # Rules
//
//   - A1 An installation is complete or absent: it is made aside under a lock
//     and renamed into place, and found again by a hash of the lock file.
//   - A2 A server lives no longer than the process that started it, however that
//     ends: it holds the read end of a pipe and stops when the pipe closes.
//   - A3 Start returns a server that answers, or an error with what it printed.
//   - A4 A server in memory leaves nothing on the disk.
package azurite
