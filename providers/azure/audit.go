package azure

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
)

// Audit reads everything that the hub has stored, rows and blobs, and holds it
// against the invariants of this provider: Z1, a partition has one owner, to
// Z13, a blob is there as long as a row names it. Of what writes them it knows the
// format of rows, and nothing else. It calls tell for each that is broken, with
// what to do next, and for each note, with no next step. It only reads, and works
// while hosts do; a large hub costs a request for each thousand rows, and some for
// each instance with a long history.
//
// duroxide hub verify calls it.
func (s *Store) Audit(ctx context.Context, tell func(rule string, instance history.InstanceID, what, next string)) error {
	r, err := audit.Run(ctx, s.account, s.Hub(), audit.Options{})
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
	}
	r.Tell(tell)
	return nil
}
