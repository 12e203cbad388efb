// Package azuritetest gives tests an Azurite: one server per test binary, and
// names that no other test uses.
//
// A test calls [Shared]; the first one starts the server, in memory, which takes
// about a second, and a minute more on a machine where Azurite was never
// installed. The server ends with the test binary, however that ends. A package
// whose TestMain looks for leaked goroutines wraps its testing.M with [Stopping],
// so that the server is stopped before the look:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }
//
// # Rules
//
//   - Tables, queues and containers of a test bear a [Name] of their own.
//   - A test deletes its queues at the end: what is left in them slows down every
//     queue of the server.
//   - A test that pauses or stops a server starts its own, with [Start].
package azuritetest
