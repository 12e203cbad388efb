package audit_test

import (
	"bytes"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
	"github.com/duroxide/duroxide-go/sharding"
)

func (s *spoiler) head(partition string, change func(*row.Owner)) {
	s.Helper()
	r := s.row(partition, row.Only(row.Head))
	o, err := row.ParseOwner(r.Cells)
	if err != nil {
		s.Fatal(err)
	}
	change(&o)
	s.put(partition, row.Head, o.Cells())
}

func (s *spoiler) host(incarnation string, serves ...sharding.Served) {
	s.Helper()
	value := wire.MustJSON(sharding.Host{Incarnation: incarnation, Serves: serves})
	s.put(row.Management, row.HostPrefix+incarnation, map[string][]byte{"Host": row.Pack(value)})
}

var plantsOfOwners = []plant{
	{"a head that cannot be read", "Z1", "cannot be read", func(s *spoiler) {
		s.put(s.partition("late"), row.Head, map[string][]byte{row.HeadCell: []byte("{")})
	}},
	{"a host ahead of the head", "Z1", "in epoch 99", func(s *spoiler) { s.host("eager", sharding.Served{Partition: 1, Epoch: 99}) }},
	{"two owners of an epoch", "Z1", "which the head gives to", func(s *spoiler) {
		var now row.Owner
		s.head(row.Partition(s.generation, 1), func(o *row.Owner) { now = *o })
		s.host("other", sharding.Served{Partition: 1, Epoch: now.Epoch})
	}},
	{"a row of an epoch to come", "Z1", "written in epoch 77", func(s *spoiler) {
		s.put(s.partition("a"), row.RecentIDs(row.Sequence(77, 1)), map[string][]byte{row.IDsCell: []byte(`{}`)})
	}},
	{"a partition without a head", "Z1 Z11", "the partition has no head", func(s *spoiler) {
		// The numbers that it gave are Z3 where it has sent: of those, none.
		for n := range partitions {
			key := row.Partition(s.generation, n)
			s.head(key, func(o *row.Owner) { o.Next = nil })
			for _, r := range s.rows(key, row.Range{From: "n:", To: "p"}) {
				s.remove(key, r.Key)
			}
		}
		s.host("eager", sharding.Served{Partition: sharding.Partition("order-1", partitions), Epoch: 1})
		s.remove(s.partition("order-1"), row.Head)
	}},
}

var plantsOfRows = []plant{
	{"an instance that the index lacks", "Z2", "index does not have", func(s *spoiler) { s.remove(s.partition("order-1"), row.Open("order-1")) }},
	{"an instance in two places of the index", "Z2", "belongs under", func(s *spoiler) {
		s.put(s.partition("order-1"), row.PlaceOf(history.StatusFailed).Key("order-1"), row.IndexCells(&row.Meta{ID: "order-1"}))
	}},
	{"durable state that is lost", "Z2", "durable state: true; there is a row of it: false", func(s *spoiler) { s.remove(s.partition("order-1"), row.State("order-1")) }},
	{"durable state of which nobody knows", "Z2", "durable state: false", func(s *spoiler) {
		s.put(s.partition("stuck"), row.State("stuck"), map[string][]byte{row.StateCell: row.Pack([]byte("{}"))})
	}},
	{"a status that the history does not say", "Z2", "by its last event it is completed", func(s *spoiler) {
		s.meta("order-2", func(m *row.Meta) { m.Status = history.StatusFailed })
	}},
	{"open work of another execution", "Z2", "execution 3", func(s *spoiler) {
		var w row.OpenWork
		s.packed(s.partition("stuck"), s.row(s.partition("stuck"), row.Only(row.Work("stuck"))), row.WorkCell, &w, func() { w.Execution = 3 })
	}},
	{"open work that was not scheduled", "Z2", "activity 7 is open", func(s *spoiler) {
		var w row.OpenWork
		s.packed(s.partition("stuck"), s.row(s.partition("stuck"), row.Only(row.Work("stuck"))), row.WorkCell, &w, func() { w.Activities = "[[2,2],[7,7]]" })
	}},
	{"an instance that cannot be read", "Z2", "cannot be read", func(s *spoiler) {
		s.put(s.partition("order-1"), row.Instance("order-1"), map[string][]byte{row.InstanceCell: []byte("j{")})
	}},
	{"timers that cannot be read", "Z8", "cannot be read", func(s *spoiler) {
		partition, r := s.timers("order-1")
		s.put(partition, r.Key, map[string][]byte{row.TimersCell: []byte("x")})
	}},
	{"open work of what has ended", "Z8", "has open work", func(s *spoiler) {
		r := s.row(s.partition("order-2"), row.Only(row.Instance("order-2")))
		value, _ := row.Value(s.Context(), r.Cells, row.InstanceCell, nil)
		m, err := row.ParseMeta(value)
		if err != nil {
			s.Fatal(err)
		}
		w := row.OpenWork{Format: 1, ID: m.ID, Born: m.Born, Execution: m.Execution, Again: true}
		s.put(s.partition("order-2"), row.Work("order-2"), map[string][]byte{row.WorkCell: row.Pack(wire.MustJSON(w))})
	}},
	{"a row that nobody knows", "Z11", "no row of this format", func(s *spoiler) { s.put(s.partition("a"), "zebra", nil) }},
}

var plantsOfMessages = []plant{
	{"a message before its commit", "Z3", "left before its commit", func(s *spoiler) {
		from, to, _ := s.flow()
		id := s.inPartition(to)
		s.put(to, row.Message(id, row.PartitionSender(from), 1_000_000), letterCells(id, unchanged))
	}},
	{"a message that is lost", "Z4", "numbers 2 from", func(s *spoiler) {
		from, to, seen := s.flow()
		old := seen[from]
		seen[from] = append(row.Numbers{{1, 1}, {3, old[0][1]}}, old[1:]...)
		s.put(to, row.FromPartitions, map[string][]byte{row.NumbersCell: wire.MustJSON(seen)})
	}},
	{"two messages of one number", "Z4", "stands twice in the inbox", func(s *spoiler) {
		from, to, _ := s.flow()
		id := s.inPartition(to)
		s.put(to, row.Message(id, row.PartitionSender(from), 1), letterCells(id, unchanged))
		s.put(to, row.Message(id+"x", row.PartitionSender(from), 1), letterCells(id, unchanged))
	}},
	{"a message in the wrong partition", "Z4", "its receiver lives in", func(s *spoiler) {
		s.put(s.elsewhere("order-1"), row.Message("order-1", "cx", 1), letterCells("order-1", unchanged))
	}},
	{"a message under the wrong key", "Z4", "looks for its messages elsewhere", func(s *spoiler) {
		s.put(s.partition("order-1"), row.Message("order-10", "cx", 1), letterCells("order-1", unchanged))
	}},
	{"a message that was consumed and stayed", "Z5", "1 of its 1 messages were consumed", func(s *spoiler) {
		s.put(s.partition("order-1"), row.Message("order-1", "cx", 1), letterCells("order-1", func(e *row.Envelope) { e.Done = 1 }))
	}},
	{"a message that cannot be read", "Z8", "has 1 messages and should have 2", func(s *spoiler) {
		s.put(s.partition("order-1"), row.Message("order-1", "cx", 1), letterCells("order-1", func(e *row.Envelope) { e.Count = 2 }))
	}},
}

// tail changes the lines of the unsealed history.
func (s *spoiler) tail(id history.InstanceID, change func([][]byte) [][]byte) {
	s.Helper()
	r := s.row(s.partition(id), row.Only(row.Instance(id)))
	value, err := row.Value(s.Context(), r.Cells, row.TailCell, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Cells[row.TailCell] = row.Pack(bytes.Join(change(bytes.SplitAfter(value, []byte("\n"))), nil))
	s.put(s.partition(id), r.Key, r.Cells)
}

var plantsOfInstances = []plant{
	{"a segment that is lost", "Z6", "names event", func(s *spoiler) {
		all := s.rows(s.partition("order-1"), row.HistoryOf("order-1"))
		s.remove(s.partition("order-1"), all[len(all)-1].Key)
	}},
	{"a first segment that is lost", "Z6", "it begins with event", func(s *spoiler) {
		all := s.rows(s.partition("order-1"), row.HistoryOf("order-1"))
		s.remove(s.partition("order-1"), all[0].Key)
	}},
	{"an event that is lost", "Z6", "names event", func(s *spoiler) {
		s.tail("stuck", func(lines [][]byte) [][]byte { return lines[:len(lines)-2] })
	}},
	{"an event that is there twice", "Z6", "breaks rule H1", func(s *spoiler) {
		s.tail("stuck", func(lines [][]byte) [][]byte { return append(lines, lines[0]) })
	}},
	{"a timer that is due too early", "Z7", "and by the history at", func(s *spoiler) {
		partition, r := s.timers("order-1")
		var set row.TimerSet
		s.remove(partition, r.Key)
		s.packed(partition, r, row.TimersCell, &set, func() { set.Timers[0].Due -= 1e9 })
		s.remove(partition, r.Key)
		due := set.Timers[0].Due
		s.put(partition, row.Timers(due, "order-1"), map[string][]byte{row.TimersCell: row.Pack(wire.MustJSON(set))})
		s.meta("order-1", func(m *row.Meta) { m.Timer = due })
	}},
	{"a timer under the wrong time", "Z7", "that is not its key", func(s *spoiler) {
		partition, r := s.timers("order-1")
		s.remove(partition, r.Key)
		s.put(partition, row.Timers(5, "order-1"), r.Cells)
		s.meta("order-1", func(m *row.Meta) { m.Timer = 5 })
	}},
	{"a timer that was never made", "Z7", "timer 99 is open", func(s *spoiler) {
		partition, r := s.timers("order-1")
		var set row.TimerSet
		s.packed(partition, r, row.TimersCell, &set, func() {
			again := set.Timers[0]
			again.Event = 99
			set.Timers = append(set.Timers, again)
		})
	}},
	{"timers that are lost", "Z9", "it is not there", func(s *spoiler) {
		partition, r := s.timers("order-1")
		s.remove(partition, r.Key)
	}},
	{"a start that is lost", "Z9", "the message that starts it is not in the inbox", func(s *spoiler) {
		s.remove(s.partition("late"), s.row(s.partition("late"), row.InboxOf("late")).Key)
	}},
	{"open work that is lost", "Z9", "not in the row of open work", func(s *spoiler) { s.remove(s.partition("stuck"), row.Work("stuck")) }},
	{"a history of what was purged", "Z10", "was purged, and this row was left", func(s *spoiler) {
		s.put(s.partition("order-3"), row.Segment("order-3", 1, 1), map[string][]byte{row.EventsCell: row.Pack(nil)})
	}},
	{"state of what never was", "Z10", "does not exist", func(s *spoiler) {
		s.put(s.partition("order-10"), row.State("order-10"), map[string][]byte{row.StateCell: row.Pack([]byte("{}"))})
	}},
	{"open work of what never was", "Z10", "does not exist", func(s *spoiler) {
		w := row.OpenWork{Format: 1, ID: "order-10", Execution: 1, Again: true}
		s.put(s.partition("order-10"), row.Work("order-10"), map[string][]byte{row.WorkCell: row.Pack(wire.MustJSON(w))})
	}},
	{"a place in the index of what was purged", "Z10", "this row was left", func(s *spoiler) {
		s.put(s.partition("order-3"), row.Open("order-3"), row.IndexCells(&row.Meta{ID: "order-3"}))
	}},
	{"an instance in the wrong partition", "Z10", "which nobody looks for here", func(s *spoiler) {
		cells := s.row(s.partition("order-1"), row.Only(row.Instance("order-1"))).Cells
		s.put(s.elsewhere("order-1"), row.Instance("order-1"), cells)
		s.put(s.elsewhere("order-1"), row.Open("order-1"), row.IndexCells(&row.Meta{ID: "order-1"}))
	}},
}

var plantsOfBlobs = []plant{
	{"a blob that is lost", "Z13", "which is not there", func(s *spoiler) {
		for n := range partitions {
			for _, r := range s.rows(row.Partition(s.generation, n), row.Range{}) {
				if names := row.Blobs(r.Cells); len(names) > 0 {
					if err := s.client.DeleteBlob(s.Context(), "hub", names[0]); err != nil {
						s.Fatal(err)
					}
					return
				}
			}
		}
		s.Fatal("no row names a blob")
	}},
	{"a blob that was never written", "Z13", "payload/x/1, which is not there", func(s *spoiler) {
		r := s.row(s.partition("order-1"), row.Only(row.State("order-1")))
		s.put(s.partition("order-1"), r.Key, map[string][]byte{row.StateCell: r.Cells[row.StateCell], row.BlobsCell: []byte("payload/x/1")})
	}},
	{"a blob that is not listed", "Z13", "which it does not list", func(s *spoiler) {
		r := s.row(s.partition("order-2"), row.Only(row.Instance("order-2")))
		if len(row.Blobs(r.Cells)) == 0 {
			s.Fatal(fmt.Sprint("order-2 has no blob: ", len(r.Cells)))
		}
		s.apply(s.partition("order-2"), storage.Op{Verb: storage.Merge, Row: storage.Row{Key: r.Key, Cells: map[string][]byte{row.BlobsCell: {}}}})
	}},
}
