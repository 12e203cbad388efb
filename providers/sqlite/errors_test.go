package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/provider"
)

func TestErrorsOfTheDriverBecomeErrorsOfTheContract(t *testing.T) {
	for _, test := range []struct {
		err  error
		want error
	}{
		{sqlite.ResultFull.ToError(), provider.ErrUnavailable},
		{sqlite.ResultBusy.ToError(), provider.ErrUnavailable},
		{sqlite.ResultBusySnapshot.ToError(), provider.ErrUnavailable},
		{sqlite.ResultLocked.ToError(), provider.ErrUnavailable},
		{sqlite.ResultIOErrWrite.ToError(), provider.ErrUnavailable},
		{sqlite.ResultIOErrFsync.ToError(), provider.ErrUnavailable},
		{sqlite.ResultNoMem.ToError(), provider.ErrUnavailable},
		{sqlite.ResultCantOpen.ToError(), provider.ErrUnavailable},
		{sqlite.ResultInterrupt.ToError(), provider.ErrUnavailable},
		{sqlite.ResultInternal.ToError(), provider.ErrUnavailable},
		{sqlite.ResultReadOnly.ToError(), provider.ErrReadOnly},
		{sqlite.ResultReadOnlyDBMoved.ToError(), provider.ErrReadOnly},
		{sqlite.ResultPerm.ToError(), provider.ErrReadOnly},
		{sqlite.ResultNotADB.ToError(), provider.ErrSchema},
		{sqlite.ResultSchema.ToError(), provider.ErrSchema},
		{sqlite.ResultConstraintUnique.ToError(), provider.ErrSchema},
		{fmt.Errorf("SQL logic error: no such table: history: %w", sqlite.ResultError.ToError()), provider.ErrSchema},
		{sqlite.ResultCorrupt.ToError(), provider.ErrCorrupt},
		{sqlite.ResultTooBig.ToError(), provider.ErrInvalid},
		{errors.New("a surprise"), provider.ErrUnavailable},
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		got := mapError("testing", fmt.Errorf("sqlite: step: %w", test.err))
		if !errors.Is(got, test.want) {
			t.Errorf("%v became %v, want %v", test.err, got, test.want)
		}
		if !errors.Is(got, test.err) || !strings.Contains(got.Error(), "testing") {
			t.Errorf("%v became %v, which does not say what failed", test.err, got)
		}
		if errors.Is(got, provider.ErrUnknown) {
			t.Errorf("%v became an unknown outcome although its transaction was rolled back", test.err)
		}
	}
}

func TestErrorsOfTheContractStayAsTheyAre(t *testing.T) {
	for _, sentinel := range contractErrors {
		err := fmt.Errorf("what happened: %w", sentinel)
		if got := mapError("testing", err); got != err { //nolint:errorlint // The very same is wanted.
			t.Errorf("%v became %v", err, got)
		}
	}
	if err := mapError("testing", nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}

func TestACommitThatCouldNotBeSyncedHasAnUnknownOutcome(t *testing.T) {
	if err := mapCommitError("committing", sqlite.ResultIOErrFsync.ToError()); !errors.Is(err, provider.ErrUnknown) || errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("a failed sync became %v", err)
	}
	if err := mapCommitError("committing", sqlite.ResultFull.ToError()); errors.Is(err, provider.ErrUnknown) || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("a full disk became %v", err)
	}
}

func TestAFullDiskSaysWhenToComeBack(t *testing.T) {
	err := mapError("testing", sqlite.ResultFull.ToError())
	if after := provider.RetryAfter(err, 0); after != retryAfter {
		t.Errorf("try again after %v, want %v", after, retryAfter)
	}
	if !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("%v does not say that the disk is full", err)
	}
}

func TestErrorsKeepTheirMeaningOnTheWayThroughTheSocket(t *testing.T) {
	for kind, sentinel := range errorKinds {
		got := toWireError(fmt.Errorf("what happened: %w", sentinel)).err()
		if !errors.Is(got, sentinel) || got.Error() != "what happened: "+sentinel.Error() {
			t.Errorf("%s: %v arrived as %v", kind, sentinel, got)
		}
	}
	if got := toWireError(errors.New("a surprise")).err(); !errors.Is(got, provider.ErrUnknown) {
		t.Errorf("an error without a kind arrived as %v, want an unknown outcome", got)
	}
	if err := toWireError(nil).err(); err != nil {
		t.Errorf("success arrived as %v", err)
	}
}
