// Package bug breaks rules of the Azure provider's protocols, and of those of
// sharding, on purpose, to see whether the tests notice. In every ordinary build
// [Planted] is constantly false, and the compiler leaves nothing of it. In a build
// with the tag simbugs the variable DUROXIDE_BUG of the environment names the one bug
// that is planted.
//
// Each of [Names] is caught by a layer of test/sim, by one test there, or by one of
// the package that has the bug; test/sim/planted_test.go says by which, and proves it.
// A name's comment ends with the rules that the bug breaks: Z of providers/azure, J of
// its journal, B of its hub, L of sharding, P of core/provider, K of package sdk. Of
// the first four each rule is broken by some bug.
package bug
