//go:build !simbugs

package bug

// Planted reports whether a bug is planted: never, in this build.
func Planted(string) bool { return false }
