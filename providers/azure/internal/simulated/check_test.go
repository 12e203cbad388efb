package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// hub is an account with a checker, in which a host owns partition p.
type hub struct {
	*testing.T
	account *simulated.Account
	checker *simulated.Checker
	host    *simulated.Client
	etag    string // of the head
}

func openHub(t *testing.T) *hub {
	checker := simulated.NewChecker(simulated.Layout{}, nil)
	a := simulated.New(simulated.Config{Observe: checker.Observe})
	t.Cleanup(a.Close)
	h := &hub{T: t, account: a, checker: checker, host: a.Client("one")}
	ctx := context.Background()
	if err := errors.Join(h.host.CreateTable(ctx, "hub"), h.host.CreateContainer(ctx, "hub")); err != nil {
		t.Fatal(err)
	}
	h.etag = h.transact(h.host, storage.Op{Verb: storage.Insert, Row: headRow("one", 1, 1)})[0]
	return h
}

func headRow(owner string, epoch, commit int) storage.Row {
	text := fmt.Sprintf(`{"format":1,"owner":%q,"epoch":%d,"commit":%d}`, owner, epoch, commit)
	return storage.Row{Key: "head", Cells: map[string][]byte{"Head": []byte(text)}}
}

func (h *hub) transact(c *simulated.Client, ops ...storage.Op) []string {
	h.Helper()
	return must[[]string](h.T)(c.Transact(h.Context(), "hub", "p", ops))
}

// commit is a commit of the owner, numbered.
func (h *hub) commit(number int, ops ...storage.Op) {
	h.Helper()
	head := storage.Op{Verb: storage.Replace, Row: headRow("one", 1, number), IfMatch: h.etag}
	h.etag = h.transact(h.host, append([]storage.Op{head}, ops...)...)[0]
}

func (h *hub) put(blob string) {
	h.Helper()
	if err := h.host.PutBlob(h.Context(), "hub", blob, []byte("x")); err != nil {
		h.Fatal(err)
	}
}

func (h *hub) remove(blob string) {
	h.Helper()
	if err := h.host.DeleteBlob(h.Context(), "hub", blob); err != nil {
		h.Fatal(err)
	}
}

func naming(key, blobs string) storage.Op {
	return storage.Op{Verb: storage.Put, Row: storage.Row{Key: key, Cells: map[string][]byte{"Blobs": []byte(blobs)}}}
}

// message inserts a row that names a blob.
func message(key, blob string) storage.Op {
	op := naming(key, blob)
	op.Verb = storage.Insert
	return op
}

func drop(key string) storage.Op {
	return storage.Op{Verb: storage.Delete, Row: storage.Row{Key: key}}
}

func instance(verb storage.Verb, meta string) storage.Op {
	return storage.Op{Verb: verb, Row: storage.Row{Key: "i:a", Cells: map[string][]byte{"Instance": []byte("j" + meta)}}}
}

func TestTheCheckerPassesSegmentsThatGo(t *testing.T) {
	h := openHub(t)
	h.commit(2, instance(storage.Insert, `{"born":"1","pruned":2}`), insert("h:a:00000001:00000001", ""), insert("h:a:00000003:00000001", ""))
	h.commit(3, drop("h:a:00000001:00000001"))
	h.commit(4, instance(storage.Merge, `{"born":"1","pruned":3}`), drop("h:a:00000003:00000001"), insert("h:a:00000004:00000001", ""))
	h.commit(5, instance(storage.Replace, `{"born":"2"}`), drop("h:a:00000004:00000001"), insert("h:a:00000001:00000001", ""), insert("h:a:00000002:00000001", ""))
	h.commit(6, instance(storage.Merge, `{"born":"2","purging":true}`))
	h.commit(7, drop("h:a:00000001:00000001"))
	h.commit(8, instance(storage.Replace, `{"purged":1}`), drop("h:a:00000002:00000001"))
	if v := h.checker.Violations(); len(v) != 0 {
		t.Errorf("%v", v)
	}
}

func TestTheCheckerPassesACopyOfAMessageWhoseBlobWentWithIt(t *testing.T) {
	for _, early := range []bool{false, true} { // it arrives before the blob goes, or afterwards
		h := openHub(t)
		h.put("payload/a/1")
		h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
		h.commit(2, drop("m:a:c1:1"))
		if early {
			h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
		}
		h.remove("payload/a/1")
		if !early {
			h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
		}
		h.commit(3, drop("m:a:c1:1"))
		if v := h.checker.Violations(); len(v) != 0 {
			t.Errorf("%v", v)
		}
	}
}

func TestTheCheckerPassesWhatTheProtocolDoes(t *testing.T) {
	h := openHub(t)
	client, two := h.account.Client("client"), h.account.Client("two")
	h.transact(client, insert("i:a", "pending"), insert("x:o:a", ""), insert("m:a:c1:0", "start"))
	h.transact(client, storage.Op{Verb: storage.Put, Row: row("m:a:c1:1", "event")})
	h.transact(client, storage.Op{Verb: storage.Put, Row: row("m:a:c1:1", "event")})
	h.put("payload/a/1")
	h.commit(2, drop("m:a:c1:0"), drop("m:a:c1:1"), insert("n:c0", "1"), insert("h:a:1:1", "events"), naming("i:a", "payload/a/1"))
	h.commit(3, drop("h:a:1:1"), storage.Op{Verb: storage.Replace, Row: row("i:a", "tombstone")})
	h.remove("payload/a/1")
	h.transact(h.host, storage.Op{Verb: storage.Replace, Row: headRow("", 2, 0), IfMatch: h.etag})
	left := must[storage.Row](t)(two.Get(t.Context(), "hub", "p", "head"))
	claimed := h.transact(two, storage.Op{Verb: storage.Merge, Row: headRow("two", 3, 0), IfMatch: left.ETag})
	h.transact(two, storage.Op{Verb: storage.Replace, Row: headRow("two", 3, 1), IfMatch: claimed[0]}, insert("o:1", ""))
	must[[]string](t)(two.Transact(t.Context(), "hub", "~hub", []storage.Op{insert("host:two", ""), insert("anything", "")}))

	if v := h.checker.Violations(); len(v) != 0 {
		t.Errorf("%v", v)
	}
	// So does a checker that begins where another ended.
	later := simulated.NewChecker(simulated.Layout{}, h.account.State())
	if v := later.Violations(); len(v) != 0 {
		t.Errorf("%v", v)
	}
}

func TestTheCheckerFinds(t *testing.T) {
	unfenced := func(epoch, commit int, owner string) func(*hub) {
		return func(h *hub) {
			h.transact(h.host, storage.Op{Verb: storage.Replace, Row: headRow(owner, epoch, commit), IfMatch: h.etag})
		}
	}
	for name, test := range map[string]struct {
		invariant, says string
		plant           func(*hub)
	}{
		"an epoch that falls":          {"Z1", "falls from 1 to 0", unfenced(0, 2, "one")},
		"two owners in an epoch":       {"Z1", "two owners", unfenced(1, 2, "two")},
		"a commit id that comes twice": {"Z1", "comes twice", unfenced(1, 1, "one")},
		"an owner that another client impersonates": {"Z1", "two clients", func(h *hub) {
			h.transact(h.account.Client("two"), storage.Op{Verb: storage.Replace, Row: headRow("one", 1, 2), IfMatch: h.etag})
		}},
		"a restarted host that goes on in its old epoch": {"Z1", "two clients", func(h *hub) {
			h.transact(h.account.Client("one"), storage.Op{Verb: storage.Replace, Row: headRow("one", 1, 2), IfMatch: h.etag})
		}},
		"a head that is deleted": {"Z1", "deleted", func(h *hub) { h.transact(h.host, drop("head")) }},
		"a head that cannot be read": {"Z1", "cannot be read", func(h *hub) {
			h.transact(h.host, storage.Op{Verb: storage.Replace, Row: row("head", ""), IfMatch: h.etag})
		}},
		"a message that disappears beside the commit": {"Z5", "m:a:c1:0 disappears", func(h *hub) {
			h.transact(h.host, insert("m:a:c1:0", ""))
			h.transact(h.host, drop("m:a:c1:0"))
		}},
		"a sealed segment that changes": {"Z6", "h:a:1:1 changes", func(h *hub) {
			h.commit(2, insert("h:a:1:1", "events"))
			h.commit(3, storage.Op{Verb: storage.Put, Row: row("h:a:1:1", "others")})
		}},
		"a segment that was not pruned and goes": {"Z6", "h:a:00000003:00000001 is deleted", func(h *hub) {
			h.commit(2, instance(storage.Insert, `{"born":"1","pruned":2}`), insert("h:a:00000003:00000001", ""))
			h.commit(3, drop("h:a:00000003:00000001"))
		}},
		"a segment that goes with an instance before it": {"Z6", "h:a:00000001:00000001 is deleted", func(h *hub) {
			h.commit(2, instance(storage.Insert, `{"born":"1","pruned":2}`))
			h.commit(3, instance(storage.Replace, `{"born":"2"}`), insert("h:a:00000001:00000001", ""))
			h.commit(4, drop("h:a:00000001:00000001"))
		}},
		"a commit that does not check the owner": {"Z11", "merge of i:a", func(h *hub) {
			h.transact(h.host, insert("i:a", ""))
			h.transact(h.host, storage.Op{Verb: storage.Merge, Row: row("i:a", "running")})
		}},
		"a head without its ETag": {"Z11", "replace of head", func(h *hub) {
			h.transact(h.host, storage.Op{Verb: storage.Replace, Row: headRow("one", 1, 2)})
		}},
		"an insert of what only the owner has": {"Z11", "insert of o:1", func(h *hub) { h.transact(h.host, insert("o:1", "")) }},
		"a message that changes in the inbox": {"Z11", "put of m:a:c1:0", func(h *hub) {
			h.transact(h.host, insert("m:a:c1:0", "one"))
			h.transact(h.host, storage.Op{Verb: storage.Put, Row: row("m:a:c1:0", "other")})
		}},
		"a row before its blob": {"Z13", "not there", func(h *hub) { h.commit(2, naming("i:a", "payload/a/1")) }},
		"a message twice before its blob": {"Z13", "not there", func(h *hub) {
			h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
			h.commit(2, drop("m:a:c1:1"))
			h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
		}},
		"a message with a blob of another": {"Z13", "not there", func(h *hub) {
			h.put("payload/a/1")
			h.transact(h.host, message("m:a:c1:1", "payload/a/1"))
			h.commit(2, drop("m:a:c1:1"))
			h.remove("payload/a/1")
			h.transact(h.host, message("m:a:c1:2", "payload/a/1"))
		}},
		"a blob removed before its row": {"Z13", "while a row names it", func(h *hub) {
			h.put("payload/a/1")
			h.commit(2, naming("i:a", "payload/a/1"), naming("h:a:1:1", "payload/a/1"))
			h.commit(3, drop("h:a:1:1"))
			h.remove("payload/a/1")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHub(t)
			test.plant(h)
			for _, v := range h.checker.Violations() {
				if v.Invariant == test.invariant && strings.Contains(v.String(), test.says) && v.By.Call.N == h.account.Calls() {
					return
				}
			}
			t.Errorf("found %v, want %s: %s", h.checker.Violations(), test.invariant, test.says)
		})
	}
}

func TestACheckerThatBeginsLaterKnowsTheState(t *testing.T) {
	h := openHub(t)
	h.put("payload/a/1")
	h.commit(2, naming("i:a", "payload/a/1"))
	state := h.account.State()
	for says, plant := range map[string]func(*simulated.Client) error{
		"while a row names it": func(c *simulated.Client) error { return c.DeleteBlob(t.Context(), "hub", "payload/a/1") },
		"falls from 1 to 0": func(c *simulated.Client) error {
			_, err := c.Transact(t.Context(), "hub", "p", []storage.Op{{Verb: storage.Replace, Row: headRow("one", 0, 1), IfMatch: h.etag}})
			return err
		},
	} {
		checker := simulated.NewChecker(simulated.Layout{}, state)
		a := simulated.New(simulated.Config{From: state, Observe: checker.Observe})
		if err := plant(a.Client("one")); err != nil {
			t.Fatal(err)
		}
		a.Close()
		if v := checker.Violations(); len(v) != 1 || !strings.Contains(v[0].What, says) {
			t.Errorf("found %v, want %s", v, says)
		}
	}
}

func TestADeletedHubBreaksNothing(t *testing.T) {
	h := openHub(t)
	h.put("payload/a/1")
	h.put("payload/a/2")
	h.commit(2, naming("i:a", "payload/a/1 payload/a/2"))
	if err := h.host.DeleteTable(t.Context(), "hub"); err != nil {
		t.Fatal(err)
	}
	h.remove("payload/a/1")
	if err := h.host.DeleteContainer(t.Context(), "hub"); err != nil {
		t.Fatal(err)
	}
	if v := h.checker.Violations(); len(v) != 0 {
		t.Errorf("%v", v)
	}
}
