//go:build simbugs

package bug

import (
	"fmt"
	"os"
	"slices"
)

var planted = os.Getenv("DUROXIDE_BUG")

// Planted reports whether a bug is planted.
func Planted(name string) bool {
	if !slices.Contains(Names, name) {
		panic(fmt.Sprintf("bug: %q is not registered", name)) // panic: a misspelt name
	}
	return name == planted
}
