package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

func (l *lab) blob(name string) {
	l.Helper()
	if err := l.auditor.PutBlob(l.Context(), "hub", name, row.Pack([]byte("x"))); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) collect(age time.Duration) audit.Collected {
	l.Helper()
	c, err := audit.Collect(l.Context(), l.auditor, "hub", age)
	if err != nil {
		l.Fatal(err)
	}
	return c
}

func TestOldBlobsThatNoRowNamesAreCollectedAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		stop := l.work(s, "one")
		handles := l.start(s, 1, 2)
		rest(time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		l.blob("payload/old/1")
		rest(25 * time.Hour)
		r := l.clean("with old orphans", audit.Options{})
		if r.Orphans < 2 || !slices.ContainsFunc(r.Notes, func(f audit.Finding) bool { return f.Invariant == audit.Blobs }) {
			t.Errorf("the report is %+v, want old orphans in it", r)
		}
		l.blob("payload/young/1")
		l.blob("archive/old")
		c := l.collect(0)
		if c.Blobs != r.Orphans || c.Failed > 0 || c.Bytes == 0 {
			t.Errorf("collected %+v of %d orphans", c, r.Orphans)
		}
		if c := l.collect(0); c.Blobs > 0 {
			t.Errorf("the second time %+v was collected", c)
		}
		var left []string
		for name := range l.account.State().Blobs("hub") {
			left = append(left, name)
		}
		if !slices.Contains(left, "payload/young/1") || !slices.Contains(left, "archive/old") || slices.Contains(left, "payload/old/1") {
			t.Errorf("left are %v", left)
		}
		l.clean("afterwards", audit.Options{})
		stop = l.work(s, "one")
		l.approve(s, handles)
		for _, h := range handles {
			if _, err := h.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(stop(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Names move from outboxes to inboxes while the rows are read.
func TestACollectionTakesNothingFromAHubAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		stop := l.work(s, "one")
		handles := l.start(s, 1, 2, 3, 4, 5, 6)
		collected := 0
		for i := range 25 {
			// No request takes more than 9 ms here, and no commit a second.
			collected += l.collect(time.Second).Blobs
			l.clean(fmt.Sprint("after collection ", i), audit.Options{})
			if i == 12 {
				l.approve(s, handles)
			}
		}
		for _, h := range handles {
			if _, err := h.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if collected == 0 {
			t.Error("nothing was collected: this shows nothing")
		}
		if err := errors.Join(stop(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestAParcelInABlobKeepsTheBlobsItNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		out := row.Outgoing{Format: row.Format, Parts: []row.Part{{To: 1, First: 1, Parcels: []row.Parcel{{To: "a", Count: 1, Blob: "payload/a/parcel-1"}}}}, Blob: "payload/b/1"}
		l.blob("payload/a/parcel-1")
		l.blob("payload/c/1")
		key := s.PartitionKey(0)
		spilled := storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Outbox(1), Cells: out.Cells()}}
		if _, err := l.auditor.Transact(t.Context(), "hub", key, []storage.Op{spilled}); err != nil {
			t.Fatal(err)
		}
		rest(25 * time.Hour)
		// While the row cannot be read nothing is collected.
		if c, err := audit.Collect(t.Context(), l.auditor, "hub", 0); err == nil || c.Blobs > 0 {
			t.Errorf("collected %+v, error %v", c, err)
		}
		if err := l.auditor.PutBlob(t.Context(), "hub", "payload/b/1", row.Pack(wire.MustJSON(out.Parts))); err != nil {
			t.Fatal(err)
		}
		if c := l.collect(0); c.Blobs != 1 || c.Kept != 2 {
			t.Errorf("collected %+v, want one blob, and two kept", c)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestACollectionGoesOnWhereDeletesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		l.blob("payload/a/1")
		l.blob("payload/b/1")
		rest(25 * time.Hour)
		l.account.Decide(simulated.Nth(1, func(c simulated.Call) bool { return c.Kind == simulated.DeleteBlob }, simulated.Fault{Kind: simulated.LostRequest}))
		if c := l.collect(0); c.Blobs != 1 || c.Failed != 1 {
			t.Errorf("collected %+v, want one, and one failed", c)
		}
		if c := l.collect(0); c.Blobs != 1 || c.Failed != 0 {
			t.Errorf("collected %+v, want the other one", c)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestProgressIsCollectedWhenItsActivityIsOver: a message of a work queue names the
// blob, and no row does. It is so as well when the activity is with its owner again.
func TestProgressIsCollectedWhenItsActivityIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		id := history.InstanceID("a/b")
		n := s.Partition(id)
		put := func(w row.OpenWork) {
			t.Helper()
			w.Format, w.ID = row.Format, id
			c := row.Cells{}
			c.Set(row.WorkCell, wire.MustJSON(w))
			if _, err := l.auditor.Transact(t.Context(), "hub", s.PartitionKey(n), []storage.Op{{Verb: storage.Put, Row: storage.Row{Key: row.Work(id), Cells: c.Map}}}); err != nil {
				t.Fatal(err)
			}
		}
		open := spans.Set{{First: 2, Last: 9, Attempt: 1}}
		for _, blob := range []string{
			row.ProgressBlob(id, 3, 2, "x-1"), row.ProgressBlob(id, 3, 9, "x-2"), // open
			row.ProgressBlob(id, 3, 10, "x-3"), row.ProgressBlob(id, 2, 2, "x-4"), row.ProgressBlob("a", 3, 2, "x-5"),
		} {
			l.blob(blob)
		}
		put(row.OpenWork{Execution: 3, Activities: open.Encode(), Queued: open.Without(9).Encode(), Running: map[string]string{"host": spans.Set{{First: 9, Last: 9, Attempt: 1}}.Encode()}})
		rest(25 * time.Hour)
		if r := l.audit(audit.Options{}); r.Orphans != 3 {
			t.Errorf("the audit counts %d orphans, want those of 3 activities that are not open", r.Orphans)
		}
		if c := l.collect(0); c.Blobs != 3 || c.Kept != 2 {
			t.Errorf("collected %+v, want those of 3 activities that are not open, and 2 kept", c)
		}
		put(row.OpenWork{Execution: 3, Activities: open.Encode(), Queued: open.Without(2).Encode()})
		if c := l.collect(0); c.Blobs != 1 || c.Kept != 1 {
			t.Errorf("collected %+v, want that of the activity which came back", c)
		}
		put(row.OpenWork{Purging: true})
		if c := l.collect(0); c.Blobs != 1 || c.Kept != 0 {
			t.Errorf("collected %+v, want that of the purged instance", c)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
