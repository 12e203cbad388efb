// Package tools pins the programs that check this repository, in a module of
// its own, so that none of their dependencies reaches a user's build.
//
// The linter runs from the root of the repository, with the versions of this
// folder's go.mod and the sources of the product:
//
//	go tool -modfile=tools/go.mod golangci-lint run
//
// Small programs of our own live in the folders below: gotest prints the
// results of go test and counts them.
//
// The product never imports this module; internal/lint keeps it so.
package tools
