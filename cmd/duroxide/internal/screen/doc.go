// Package screen writes for people: coloured lines on a terminal, the same
// lines without colour in a pipe, and tables.
//
// Colour is used if the writer is a terminal, NO_COLOR is not set and TERM is
// not dumb. Text from outside (names, messages) goes through [Clean], so that
// it cannot move the cursor or forge lines.
package screen
