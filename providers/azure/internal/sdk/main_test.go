package sdk

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }

// onAzurite opens an account on the shared server. What Azure would refuse is
// refused, and fails the test.
func onAzurite(t testing.TB) *Account {
	t.Helper()
	server := azuritetest.Shared(t)
	return over(t, azuritetest.Strict(t, server.Endpoints()))
}

// over opens an account on the shared server, behind a checker.
func over(t testing.TB, checker *strict.Checker) *Account {
	t.Helper()
	a, err := Open(Config{Account: azuritetest.Shared(t).ConnectionString(), Transport: checker.Over(pool(t))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
