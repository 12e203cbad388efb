// Package lint holds this repository's own rules, written as tests, so that
// go test ./... keeps them and no reviewer has to. It has no code to import.
//
// Each rule is a value with a name, the reason for it, what to do instead, and
// two lists of small sources: bad ones it must catch and good ones it must let
// pass. A rule is checked against its own examples before it looks at the
// repository, so no rule can rot into one that never fails.
//
// The rules, each in the file named after it:
//
//   - layers_test.go: packages import downwards only, and providers are wired
//     by programs alone.
//   - thirdparty_test.go: where each dependency may be imported; core has none.
//   - purity_test.go: the replay machine has no clock, randomness, I/O, locks
//     or goroutines.
//   - calls_test.go: no sleeping in tests, no printing from libraries, no
//     unexplained panic, no skipped test without a reason.
//   - shape_test.go: file length, and a doc.go in every package.
//   - words_test.go: no machine paths, registry hosts or postponed work.
//   - api_test.go: the exported API is what the folder api says.
//   - docs_test.go: Go code in the documentation compiles or is quoted.
//   - documents_test.go: the features page has every promise, the tests that
//     documents name exist, and the guide has every limit.
//   - records_test.go: the operations guide has every log record of Azure hubs.
//
// A rule may have exemptions: a table from file to reason. An exemption that is
// no longer needed fails the test too, so the tables only shrink.
package lint
