// Package host has the processes of the sample: the worker, which runs
// orchestrations and activities on a store, and the emulator of Azure Resource
// Manager; and how another process starts, watches and kills them.
//
// Both are verbs of the same program. A child ends when its standard input does,
// so that none outlives its parent, however that ends; an interrupt typed at the
// terminal is for the parent, which ends them in order. What a child has to say
// are [Note]s, one JSON object a line, on its standard output.
//
//	parent ──stdin──▶ child          closing it asks the child to end
//	       ◀─stdout── notes          ready; request begun; request ended
//	       ──SIGKILL▶                what the story is about
//
// Secrets (the key that seals resume tokens, the connection string of the store)
// go to children in their environment, never on their command line, which
// everybody on the machine can read.
package host
