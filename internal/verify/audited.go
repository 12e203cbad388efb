package verify

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
)

// Audited is a store with rules of its own about what stands in its storage,
// below what its contract shows. It judges them without the code by which it
// works, and reports only what it has made sure of.
type Audited interface {
	// Audit calls tell for each broken rule, and for each note, which has no
	// next step. The error says that the audit could not be done.
	Audit(ctx context.Context, tell func(rule string, instance history.InstanceID, what, next string)) error
}

// storage has the store judge its storage. It is about the whole store, so it
// does not go with a prefix.
func (a *auditor) storage(ctx context.Context) error {
	s, ok := a.store.(Audited)
	if !ok || a.options.Prefix != "" {
		return nil
	}
	err := s.Audit(ctx, func(rule string, instance history.InstanceID, what, next string) {
		f := Finding{Rule: Rule(rule), Instance: instance, What: what, Next: next}
		if next == "" {
			a.report.noted(f)
		} else {
			a.report.found(f)
		}
	})
	if err != nil {
		return fmt.Errorf("auditing the storage: %w", err)
	}
	return nil
}
