package sdk

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }

// onAzurite opens an account on the shared server.
func onAzurite(t testing.TB) *Account {
	t.Helper()
	a, err := Open(Config{Account: azuritetest.Shared(t).ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}
