package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// audited is a store that finds what it is told to find.
type audited struct {
	*memory.Store
	err error
}

func (s audited) Audit(_ context.Context, tell func(rule string, instance history.InstanceID, what, next string)) error {
	tell("Z4", "a", "a message is lost", "report it")
	tell("Z13", "", "blobs are to be collected", "")
	return s.err
}

func TestAStoreIsAskedAboutItsStorage(t *testing.T) {
	store := audited{memory.New(memory.Config{}), nil}
	r, err := verify.Store(t.Context(), store, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].String() != "Z4 a: a message is lost (report it)" || len(r.Notes) != 1 || r.OK() {
		t.Errorf("the report is %+v", r)
	}
	if r, err := verify.Store(t.Context(), store, verify.Options{Prefix: "b"}); err != nil || !r.OK() {
		t.Errorf("of instances with a prefix the report is %+v, error %v", r, err)
	}
	store.err = errors.New("no answer")
	if _, err := verify.Store(t.Context(), store, verify.Options{}); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("the error is %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
