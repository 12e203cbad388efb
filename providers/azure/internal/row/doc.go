// Package row defines what stands in the hub's table: the keys of rows, and what
// is in them. It is pure: it reads and writes no storage.
//
// # Keys
//
// All rows of a runtime partition share a partition key, [Partition]. Their row
// keys begin with a letter that says what they are, and go on with the instance
// where they belong to one, escaped by [Escape] so that keys sort as ids do:
//
//	head              who owns the partition, its epoch and its last commit
//	d:time:n          a dead letter
//	h:id:exec:first   a sealed segment of a history
//	i:id              an instance: what clients see, and the tail of its history
//	k:id              its durable state
//	m:id:sender:seq   messages that wait for it: the inbox
//	n:p  n:rSEQ     what was consumed: numbers of partitions, recent ids
//	o:seq             the outbox: messages on their way to another partition
//	q:id:event      the progress of one of its open activities
//	r:id            its open activities
//	t:due:id          its open timers, under the due time of the earliest
//	x:o:id  x:e:status:id  x:p:time:id   the index: open; ended, by how;
//	                tombstones, by the time of their purge
//
// Who takes over a partition reads the range from m: to t:, timers of the next hour
// included, and nothing else: it holds what is outstanding.
//
// # Values
//
// A value longer than a few KiB is compressed, and one that does not fit into
// its row stands in a blob that the row names; see [Cells]. Every row lists the
// blobs it names in the cell Blobs, so that they can be found without knowing
// what the row is.
//
// # Formats
//
// Format numbers what this package writes; readers know all formats up to
// theirs. Rows of format 1 are JSON in cells named after what they hold. Names
// are stored, and never change or get another meaning.
package row
