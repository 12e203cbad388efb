package azuritetest

import (
	"testing"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
)

// Strict makes a checker for the clients of one test, and fails the test if it
// ends with violations.
func Strict(t testing.TB, endpoints azurite.Endpoints) *strict.Checker {
	t.Helper()
	checker := strict.New(strict.Config{Endpoints: endpoints})
	t.Cleanup(func() {
		for _, v := range checker.Violations() {
			t.Errorf("Azure would have refused a request: %v", v)
		}
	})
	return checker
}
