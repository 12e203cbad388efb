// Package bug breaks rules of the provider's protocols on purpose, to see whether
// the tests notice. In every ordinary build [Planted] is constantly false, and
// the compiler leaves nothing of it. In a build with the tag simbugs the variable
// DUROXIDE_BUG of the environment names the one bug that is planted.
//
// Each of [Names] is caught by a layer of test/sim, which a test there proves.
package bug
