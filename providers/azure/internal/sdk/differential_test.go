package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// The differential test gives the same random calls to a simulated account and
// to Azurite through this package, behind the checker that refuses what Azure
// refuses, and compares what they say: the class of the
// outcome, the reason and index of a rejection, rows, bodies, names, and which
// ETags and receipts are the same as which. It keeps away from what the two are
// known to do differently, with these reasons:
//
//   - Messages become visible at once or not before the end: the test does not
//     wait. Which of several visible messages are taken is Azure's choice: all
//     are taken.
//   - Pages are followed to their end: how many rows a page holds is Azure's
//     choice.
//   - Keys have no quotes, which Azurite mistakes in transactions, and no empty
//     partition or row key.
//   - A transaction breaks at most one rule of a kind: which of several broken
//     rules the service names is not documented.

// subject is one of the two, with what it gave out so far.
type subject struct {
	a     storage.Account
	name  string                       // of its table, queue and container
	etags map[string][]string          // by partition and key: all that the row ever had
	taken map[string][]storage.Message // by body: all takes
}

// class is what two accounts must agree on.
func class(err error) string {
	if r := storage.Rejected(err); r != nil {
		return fmt.Sprintf("rejected: %v at %d", r.Reason, r.Index)
	}
	for _, class := range []error{storage.ErrUnknown, storage.ErrBusy, storage.ErrDenied, storage.ErrGone, storage.ErrCorrupt, storage.ErrDamaged} {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	if err != nil {
		return "without a class: " + err.Error()
	}
	return "applied"
}

// step is one call, made of random numbers that both subjects are given.
type step struct {
	name string
	do   func(ctx context.Context, s *subject) string
}

// steps draws calls.
type steps struct{ *rand.Rand }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (r steps) partition() string { return pick(r.Rand, "p", "q") }
func (r steps) key() string {
	return pick(r.Rand, "head", "i:a b", "i:é", "m:1", "m:2", "m:10")
}

func (r steps) cell() []byte {
	switch r.IntN(10) {
	case 0:
		return []byte{}
	case 1:
		return bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(200_000))
	case 2:
		return []byte(strings.Repeat(pick(r.Rand, "é", "\"", "x\n", "😀"), r.IntN(20_000)))
	case 3:
		return []byte(fmt.Sprintf(`{"n":%d,"s":"<&>'"}`, r.IntN(1000)))
	default:
		return []byte(fmt.Sprint("cell ", r.IntN(1000)))
	}
}

func (r steps) cells() map[string][]byte {
	cells := make(map[string][]byte)
	for range r.IntN(4) {
		cells[pick(r.Rand, "A", "B", "Head", "C9")] = r.cell()
	}
	return cells
}

// op draws a row's part of a transaction, and which ETag it asks for: none, one
// of those that the row had, counted from the latest.
func (r steps) op() (op storage.Op, ask int) {
	verb := pick(r.Rand, storage.Insert, storage.Put, storage.Put, storage.Put, storage.Replace, storage.Merge, storage.Merge, storage.Delete)
	op = storage.Op{Verb: verb, Row: storage.Row{Key: r.key()}}
	if op.Verb != storage.Delete {
		op.Row.Cells = r.cells()
	}
	if op.Verb == storage.Insert || op.Verb == storage.Put {
		return op, -1
	}
	return op, pick(r.Rand, -1, 0, 0, 0, 1, 2)
}

func (r steps) next() step {
	switch n := r.IntN(100); {
	case n < 45:
		return r.transact()
	case n < 55:
		partition, key := r.partition(), r.key()
		return step{"get " + partition + "/" + key, func(ctx context.Context, s *subject) string {
			row, err := s.a.Get(ctx, s.name, partition, key)
			return class(err) + s.row(partition, row)
		}}
	case n < 65:
		return r.scan()
	case n < 85:
		return r.message()
	default:
		return r.blob()
	}
}

func (r steps) transact() step {
	partition, table := r.partition(), pick(r.Rand, "", "", "", "", "", "", "", "", "x")
	count := pick(r.Rand, 1, 1, 2, 3, 5)
	ops, asks := make([]storage.Op, count), make([]int, count)
	seen := map[string]bool{}
	for i := range ops {
		for ops[i], asks[i] = r.op(); seen[ops[i].Row.Key]; {
			ops[i], asks[i] = r.op()
		}
		seen[ops[i].Row.Key] = true
	}
	last := &ops[count-1]
	switch r.IntN(30) {
	case 0:
		last.Row.Key = pick(r.Rand, "a/b", "a#b", "a?b", `a\b`, "a\x01b", strings.Repeat("k", 513))
	case 1:
		last.Row.Key, asks[count-1] = ops[0].Row.Key, -1
	case 2:
		last.Row.Cells = map[string][]byte{pick(r.Rand, "a-b", "Timestamp", "1a"): nil}
		last.Verb, last.IfMatch, asks[count-1] = storage.Put, "", -1
	case 3:
		last.Row.Cells = map[string][]byte{"A": make([]byte, 400<<10), "B": make([]byte, 400<<10)}
		last.Verb, last.IfMatch, asks[count-1] = storage.Put, "", -1
	case 4:
		ops = nil
	default:
	}
	name := fmt.Sprintf("transact%s %s", table, partition)
	for i := range ops {
		name += fmt.Sprintf(" %d:%.20q@%d", ops[i].Verb, ops[i].Row.Key, asks[i])
	}
	return step{name, func(ctx context.Context, s *subject) string {
		own := slices.Clone(ops)
		for i := range own {
			if had := s.etags[partition+"/"+own[i].Row.Key]; asks[i] >= 0 && asks[i] < len(had) {
				own[i].IfMatch = had[len(had)-1-asks[i]]
			}
		}
		etags, err := s.a.Transact(ctx, s.name+table, partition, own)
		text := class(err)
		for i, etag := range etags {
			at := partition + "/" + own[i].Row.Key
			text += fmt.Sprint(" ", etag != "", slices.Contains(s.etags[at], etag))
			if etag != "" {
				s.etags[at] = append(s.etags[at], etag)
			}
		}
		return text
	}}
}

// row is a row as text, with the number of its ETag among those the row had.
func (s *subject) row(partition string, row storage.Row) string {
	text := fmt.Sprintf(" %q etag %d", row.Key, slices.Index(s.etags[partition+"/"+row.Key], row.ETag))
	for _, name := range slices.Sorted(maps.Keys(row.Cells)) {
		text += fmt.Sprintf(" %s=%s", name, digest(row.Cells[name]))
	}
	return text
}

// digest stands for bytes.
func digest(b []byte) string { return fmt.Sprintf("%d:%.20q:%08x", len(b), b, crc32.ChecksumIEEE(b)) }

func (r steps) scan() step {
	partition, limit := r.partition(), pick(r.Rand, 0, 1, 2, 5)
	span := storage.Range{From: pick(r.Rand, "", "i:", "m:1", "m:1\x00"), To: pick(r.Rand, "", "m:2", "m:2\x00", "n")}
	cells := pick(r.Rand, nil, nil, []string{"A"}, []string{"Head", "None", "B"})
	return step{fmt.Sprintf("scan %s %q %d %v", partition, span, limit, cells), func(ctx context.Context, s *subject) string {
		text := ""
		for r := span; ; {
			page, err := s.a.Scan(ctx, s.name, partition, r, limit, cells)
			if err != nil || limit > 0 && len(page.Rows) > limit {
				return fmt.Sprint(text, class(err), " ", len(page.Rows), " rows")
			}
			for _, row := range page.Rows {
				text += s.row(partition, row) + "\n"
			}
			if r.From = page.Next; r.From == "" {
				return text
			}
		}
	}}
}

func (r steps) message() step {
	body, queue := []byte(fmt.Sprintf(pick(r.Rand, "body %d", `{"n":%d}`, "\x00%d", "[%d"), r.IntN(20))), pick(r.Rand, "", "", "", "", "", "x")
	switch r.IntN(7) {
	case 0, 1:
		delay := pick(r.Rand, 0, 0, time.Hour, -time.Second, 8*24*time.Hour, time.Millisecond)
		return step{fmt.Sprintf("enqueue%s %q %v", queue, body, delay), func(ctx context.Context, s *subject) string {
			return class(s.a.Enqueue(ctx, s.name+queue, body, delay))
		}}
	case 2, 3:
		n, hide := pick(r.Rand, 32, 32, 32, 0, 33), pick(r.Rand, time.Hour, time.Hour, time.Hour, 0, 8*24*time.Hour)
		if n != 32 {
			hide = time.Hour
		}
		return step{fmt.Sprintf("take%s %d %v", queue, n, hide), func(ctx context.Context, s *subject) string {
			messages, err := s.a.Take(ctx, s.name+queue, n, hide)
			for _, m := range messages {
				s.taken[string(m.Body)] = append(s.taken[string(m.Body)], m)
			}
			return class(err) + bodies(messages)
		}}
	case 4:
		return step{"peek" + queue, func(ctx context.Context, s *subject) string {
			messages, err := s.a.Peek(ctx, s.name+queue, 32)
			return class(err) + bodies(messages)
		}}
	case 5:
		return step{"count" + queue, func(ctx context.Context, s *subject) string {
			seen, _ := s.a.Peek(ctx, s.name+queue, 32)
			n, err := s.a.Count(ctx, s.name+queue) // how many more is the service's choice
			return class(err) + fmt.Sprint(" too few: ", err == nil && n < len(seen))
		}}
	default:
		hide, change, remove := pick(r.Rand, 0, time.Hour), r.IntN(2) == 0, r.IntN(2) == 0
		return step{fmt.Sprintf("settle %q: remove %v, hide %v, change %v", body, remove, hide, change), func(ctx context.Context, s *subject) string {
			return s.settle(ctx, string(body), remove, hide, change)
		}}
	}
}

// bodies are messages as text; their order is the service's choice.
func bodies(messages []storage.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, fmt.Sprintf("%q taken %d", m.Body, m.Taken))
	}
	slices.Sort(all)
	return fmt.Sprint(" ", all)
}

// settle removes or extends the message of a body, by the receipt of its first
// take, if there is only one of that body: which of several would be is not
// determined.
func (s *subject) settle(ctx context.Context, body string, remove bool, hide time.Duration, change bool) string {
	taken := s.taken[body]
	if len(taken) == 0 || slices.ContainsFunc(taken, func(m storage.Message) bool { return m.ID != taken[0].ID }) {
		return "nothing to settle"
	}
	if remove {
		return class(s.a.Remove(ctx, s.name, taken[0]))
	}
	var changed []byte
	if change {
		changed = []byte("changed " + body)
	}
	receipt, err := s.a.Extend(ctx, s.name, taken[0], hide, changed)
	return fmt.Sprint(class(err), " ", receipt != "", receipt == taken[0].Receipt)
}

func (r steps) blob() step {
	name, container := pick(r.Rand, "payload/a/1", "payload/a b/2", "archive/é", "x"), pick(r.Rand, "", "", "", "", "", "x")
	data := r.cell()
	switch r.IntN(5) {
	case 0, 1:
		return step{"put blob" + container + " " + name, func(ctx context.Context, s *subject) string {
			return class(s.a.PutBlob(ctx, s.name+container, name, data))
		}}
	case 2:
		return step{"get blob" + container + " " + name, func(ctx context.Context, s *subject) string {
			got, err := s.a.GetBlob(ctx, s.name+container, name)
			return fmt.Sprint(class(err), digest(got))
		}}
	case 3:
		return step{"delete blob" + container + " " + name, func(ctx context.Context, s *subject) string {
			return class(s.a.DeleteBlob(ctx, s.name+container, name))
		}}
	default:
		prefix := pick(r.Rand, "", "payload/", "payload/a/", "none")
		return step{"list blobs" + container + " " + prefix, func(ctx context.Context, s *subject) string {
			text, marker := "", ""
			for {
				page, err := s.a.ListBlobs(ctx, s.name+container, prefix, marker)
				for _, b := range page.Blobs {
					text += fmt.Sprint(" ", b.Name, ":", b.Size)
				}
				if marker = page.Next; err != nil || marker == "" {
					return class(err) + text
				}
			}
		}}
	}
}

// begin and end are what every run does first and last.
var (
	begin = []step{
		{"create a table", func(ctx context.Context, s *subject) string { return class(s.a.CreateTable(ctx, s.name)) }},
		{"create it again", func(ctx context.Context, s *subject) string { return class(s.a.CreateTable(ctx, s.name)) }},
		{"create a queue", func(ctx context.Context, s *subject) string { return class(s.a.CreateQueue(ctx, s.name)) }},
		{"create it again", func(ctx context.Context, s *subject) string { return class(s.a.CreateQueue(ctx, s.name)) }},
		{"create a container", func(ctx context.Context, s *subject) string { return class(s.a.CreateContainer(ctx, s.name)) }},
		{"create it again", func(ctx context.Context, s *subject) string { return class(s.a.CreateContainer(ctx, s.name)) }},
		{"create with names that are none", func(ctx context.Context, s *subject) string {
			return class(s.a.CreateTable(ctx, "a")) + class(s.a.CreateQueue(ctx, "A_b")) + class(s.a.CreateContainer(ctx, "A_b"))
		}},
		{"look whether the table is empty", looksEmpty},
		{"list queues", listQueues},
	}
	end = []step{
		{"look whether the table is empty", looksEmpty},
		{"list queues", listQueues},
		{"delete the queue", func(ctx context.Context, s *subject) string { return class(s.a.DeleteQueue(ctx, s.name)) }},
		{"delete it again", func(ctx context.Context, s *subject) string { return class(s.a.DeleteQueue(ctx, s.name)) }},
		{"list queues", listQueues},
		{"delete the table", func(ctx context.Context, s *subject) string { return class(s.a.DeleteTable(ctx, s.name)) }},
		{"delete it again", func(ctx context.Context, s *subject) string { return class(s.a.DeleteTable(ctx, s.name)) }},
		{"read what is gone", func(ctx context.Context, s *subject) string {
			_, err := s.a.Get(ctx, s.name, "p", "head")
			return class(err)
		}},
		{"scan what is gone", func(ctx context.Context, s *subject) string {
			_, err := s.a.Scan(ctx, s.name, "p", storage.Range{}, 0, nil)
			return class(err)
		}},
		{"look whether what is gone is empty", looksEmpty},
		{"delete the container", func(ctx context.Context, s *subject) string { return class(s.a.DeleteContainer(ctx, s.name)) }},
		{"delete it again", func(ctx context.Context, s *subject) string { return class(s.a.DeleteContainer(ctx, s.name)) }},
		{"make them again", func(ctx context.Context, s *subject) string {
			return class(s.a.CreateTable(ctx, s.name)) + class(s.a.CreateQueue(ctx, s.name)) + class(s.a.CreateContainer(ctx, s.name))
		}},
	}
)

func looksEmpty(ctx context.Context, s *subject) string {
	empty, err := s.a.Empty(ctx, s.name)
	return class(err) + fmt.Sprint(empty && err == nil)
}

func listQueues(ctx context.Context, s *subject) string {
	names, err := s.a.Queues(ctx, s.name)
	return class(err) + fmt.Sprint(names)
}

func TestTheSimulationAndAzuriteGiveTheSameAnswers(t *testing.T) {
	seeds, length := uint64(12), 120
	if testing.Short() {
		seeds = 3
	}
	outcomes := map[string]int{}
	checker := azuritetest.Strict(t, azuritetest.Shared(t).Endpoints())
	azurite := over(t, checker)
	for seed := range seeds {
		account := simulated.New(simulated.Config{Seed: seed})
		name := azuritetest.Name()
		subjects := []*subject{{a: account.Client("differential"), name: name}, {a: azurite, name: name}}
		for _, s := range subjects {
			s.etags, s.taken = map[string][]string{}, map[string][]storage.Message{}
		}
		all := slices.Clone(begin)
		for r := (steps{rand.New(rand.NewPCG(seed, 1))}); len(all) < len(begin)+length; {
			all = append(all, r.next())
		}
		for i, step := range append(all, end...) {
			want, got := step.do(t.Context(), subjects[0]), step.do(t.Context(), subjects[1])
			outcomes[strings.SplitN(want, " at", 2)[0]]++
			if want != got {
				t.Fatalf("seed %d, step %d, %s:\nsimulated: %s\nAzurite:   %s", seed, i, step.name, want, got)
			}
		}
		account.Close()
	}
	for _, v := range checker.Forgive() {
		if v.Rule != "name" { // Names that are none were asked for.
			t.Errorf("Azure would have refused a request: %v", v)
		}
	}
	for _, outcome := range []string{"rejected: exists already", "rejected: does not exist", "rejected: was changed by another", "rejected: is invalid", "rejected: is too large"} {
		if outcomes[outcome] == 0 {
			t.Errorf("no call was %s: the test shows too little", outcome)
		}
	}
}
