package simulated_test

import (
	"context"
	"errors"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// open is a client of an account that has a table t, a queue q-q and a container
// c-c.
func open(t *testing.T, cfg simulated.Config) (*simulated.Account, *simulated.Client) {
	t.Helper()
	a := simulated.New(cfg)
	t.Cleanup(a.Close)
	a.Decide(nil)
	c := a.Client("host")
	ctx := context.Background()
	if err := errors.Join(c.CreateTable(ctx, "ttt"), c.CreateQueue(ctx, "q-q"), c.CreateContainer(ctx, "c-c")); err != nil {
		t.Fatal(err)
	}
	a.Decide(cfg.Decide)
	return a, c
}

// row has one cell.
func row(key, cell string) storage.Row {
	return storage.Row{Key: key, Cells: map[string][]byte{"Cell": []byte(cell)}}
}

func insert(key, cell string) storage.Op {
	return storage.Op{Verb: storage.Insert, Row: row(key, cell)}
}

// rejected fails the test unless err is a rejection of that op for that reason.
func rejected(t *testing.T, err error, reason storage.Reason, index int) {
	t.Helper()
	r := storage.Rejected(err)
	if r == nil || r.Reason != reason || r.Index != index {
		t.Errorf("got %v, want a rejection of op %d because it %v", err, index, reason)
	}
}

// is fails the test unless err is of that class.
func is(t *testing.T, err, class error) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("got %v, want %v", err, class)
	}
}

// must fails the test at an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
