package azuritetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/internal/azurite"
)

var shared struct {
	once   sync.Once
	server *azurite.Server
	err    error
}

// Shared returns the server of this test binary. Whatever keeps it from running
// fails the test and says what to do.
func Shared(t testing.TB) *azurite.Server {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = azurite.Start(context.WithoutCancel(t.Context()), azurite.Config{})
	})
	if shared.err != nil {
		t.Fatalf("this test needs Azurite: %v", shared.err)
	}
	select {
	case <-shared.server.Done():
		t.Fatalf("the shared Azurite has ended; it printed:\n%s", shared.server.Output())
	default:
	}
	return shared.server
}

// Start starts a server for this test alone, and stops it when the test ends.
func Start(t testing.TB, cfg azurite.Config) *azurite.Server {
	t.Helper()
	server, err := azurite.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("this test needs Azurite: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// names are unique to this process by their prefix, and within it by a number.
var (
	prefix = rand.Text()[:8]
	named  atomic.Int64
)

// Name returns a name that is valid for a table, a queue, a container and a hub,
// and that nobody else uses: test binaries may share an account in the cloud.
func Name() string {
	return fmt.Sprintf("t%sn%d", strings.ToLower(prefix), named.Add(1))
}

// TestMain is what testing.M and goleak agree on.
type TestMain interface{ Run() int }

// Stopping runs all tests, then stops the shared server if there is one.
func Stopping(m TestMain) TestMain { return stopping{m} }

type stopping struct{ m TestMain }

func (s stopping) Run() int {
	code := s.m.Run()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
