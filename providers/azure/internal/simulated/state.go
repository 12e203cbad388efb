package simulated

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// State is what an account held at one moment, for auditors and to begin other
// accounts with. What its methods return must not be changed.
type State struct {
	at         time.Time // by the service's clock
	tables     map[string]*table
	queues     map[string]*queue
	containers map[string]*container
	deleted    map[string]time.Time // when a name is free again, by "kind/name"
	writes     uint64               // numbers ETags, receipts and ids
}

// table is kept under its name in lower case: Azure does not tell them apart.
type table struct {
	name       string
	partitions map[string]*partition
}

// partition holds rows in ascending order of their keys. Rows are shared between
// states and never changed.
type partition struct {
	rows []*storage.Row
}

func newState() *State {
	return &State{
		tables:     map[string]*table{},
		queues:     map[string]*queue{},
		containers: map[string]*container{},
		deleted:    map[string]time.Time{},
	}
}

// clone copies what changes in place.
func (s *State) clone() *State {
	c := newState()
	c.at, c.writes = s.at, s.writes
	maps.Copy(c.deleted, s.deleted)
	for key, t := range s.tables {
		copied := &table{name: t.name, partitions: make(map[string]*partition, len(t.partitions))}
		for pk, p := range t.partitions {
			copied.partitions[pk] = &partition{rows: slices.Clone(p.rows)}
		}
		c.tables[key] = copied
	}
	for name, q := range s.queues {
		c.queues[name] = &queue{messages: slices.Clone(q.messages)}
	}
	for name, b := range s.containers {
		c.containers[name] = &container{blobs: maps.Clone(b.blobs)}
	}
	return c
}

// find is where a key is, or belongs.
func (p *partition) find(key string) (int, bool) {
	return slices.BinarySearchFunc(p.rows, key, func(r *storage.Row, key string) int { return strings.Compare(r.Key, key) })
}

// get is the row of a key, nil if there is none. The partition may be nil.
func (p *partition) get(key string) *storage.Row {
	if p == nil {
		return nil
	}
	if i, ok := p.find(key); ok {
		return p.rows[i]
	}
	return nil
}

// set writes a row, or removes it if the row is nil.
func (p *partition) set(key string, row *storage.Row) {
	i, ok := p.find(key)
	switch {
	case row == nil:
		p.rows = slices.Delete(p.rows, i, i+1)
	case ok:
		p.rows[i] = row
	default:
		p.rows = slices.Insert(p.rows, i, row)
	}
}

// At is when the state was taken, by the service's clock.
func (s *State) At() time.Time { return s.at }

// Tables lists the names of the tables, in ascending order.
func (s *State) Tables() []string {
	names := make([]string, 0, len(s.tables))
	for _, t := range s.tables {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// Partitions lists the partition keys of a table that have rows, in ascending
// order.
func (s *State) Partitions(table string) []string {
	t := s.tables[strings.ToLower(table)]
	if t == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(t.partitions))
}

// Rows lists the rows of a table with their partition keys, in ascending order
// of both.
func (s *State) Rows(table string) iter.Seq2[string, storage.Row] {
	return func(yield func(string, storage.Row) bool) {
		for _, pk := range s.Partitions(table) {
			for _, r := range s.tables[strings.ToLower(table)].partitions[pk].rows {
				if !yield(pk, *r) {
					return
				}
			}
		}
	}
}

// Row is one row.
func (s *State) Row(table, partition, key string) (storage.Row, bool) {
	t := s.tables[strings.ToLower(table)]
	if t == nil {
		return storage.Row{}, false
	}
	r := t.partitions[partition].get(key)
	if r == nil {
		return storage.Row{}, false
	}
	return *r, true
}

// Queues lists the names of the queues, in ascending order.
func (s *State) Queues() []string { return slices.Sorted(maps.Keys(s.queues)) }

// Queued is a message of a queue, hidden or not.
type Queued struct {
	ID       string
	Body     []byte
	Inserted time.Time
	Visible  time.Time // from when on it can be taken
	Taken    int
}

// Messages lists the messages of a queue in the order in which they were put.
func (s *State) Messages(queue string) []Queued {
	q := s.queues[queue]
	if q == nil {
		return nil
	}
	all := make([]Queued, 0, len(q.messages))
	for _, m := range q.messages {
		all = append(all, Queued{m.id, m.body, m.inserted, m.visible, m.taken})
	}
	return all
}

// Containers lists the names of the containers, in ascending order.
func (s *State) Containers() []string { return slices.Sorted(maps.Keys(s.containers)) }

// Blobs lists the blobs of a container in ascending order of their names.
func (s *State) Blobs(container string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		c := s.containers[container]
		if c == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(c.blobs)) {
			if !yield(name, c.blobs[name].data) {
				return
			}
		}
	}
}
