// Package scheduled keeps the events by which open activities were scheduled, where
// these are not in memory any more: who takes over an instance knows from its row which
// activities are open ([spans.Set]), and reads what they are from the history when the
// first of them is handed out. The others are kept for their turn.
//
//	Take ──▶ it was kept: the history is not read
//	  └────▶ Open reads them ──▶ Keep the others
//
// [spans.Set]: https://pkg.go.dev/github.com/duroxide/duroxide-go/providers/internal/spans
package scheduled
