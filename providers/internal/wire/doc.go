// Package wire is how providers write down messages and events where the shape
// is theirs to choose: a message in one column, property or line, the events of
// a turn in one blob. All of it is JSON, so that a person can read a damaged hub.
//
// # Rules
//
//   - W1 What was written is read by every later version: names, and the meaning
//     of what is left out, never change.
//   - W2 What is read equals what was written, except that times are in UTC and
//     without a monotonic clock, and that those after 2261 become the last one.
//   - W3 Payloads go through byte by byte.
package wire
