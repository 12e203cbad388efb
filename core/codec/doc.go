// Package codec turns values into payloads and back.
//
// A [Codec] sees every input, output, event, status and state value on its way
// to and from storage; workers and clients of one hub must use the same. [JSON]
// is the default. Wrap it to compress or to encrypt: see the example.
//
// A payload must be valid JSON, since it is stored inside JSON documents that
// people and tools read; a codec that makes bytes puts them into a JSON string.
// A codec may encode the same value to other bytes each time, as encryption
// does: no replay depends on them.
package codec
