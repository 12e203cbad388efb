// Command gotest reads the events of go test -json on standard input and prints
// what go test prints without the flag, followed by a count of the tests:
//
//	go test -json ./... | gotest
//
// Each package ends with its plain line (ok, FAIL or no test files). The output
// of a test is shown only if the test failed, was skipped or never ended. The
// last line counts tests and subtests, alone on a line:
//
//	412 passed, 0 failed, 3 skipped
//
// A package that fails without a failing test (it does not compile, panics
// outside a test, or runs out of time) counts as one failure. The exit code is
// 1 if anything failed, or if no test passed: a run that tests nothing is not a
// success.
package main
