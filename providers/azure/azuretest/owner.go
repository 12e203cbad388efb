package azuretest

import (
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// Owner is who serves a partition, as storage says.
type Owner struct {
	Incarnation string // of the host; empty if it was given up
	Epoch       int64  // how often the partition was claimed or given up
}

// Owners are those of the partitions that were claimed so far, in order.
func (a *Account) Owners() (all []Owner) {
	for pk, r := range a.inner.State().Rows(a.cfg.Hub) {
		if r.Key != row.Head || strings.HasPrefix(pk, "~") {
			continue
		}
		if head, err := row.ParseOwner(r.Cells); err == nil {
			all = append(all, Owner{head.Owner, head.Epoch})
		}
	}
	return all
}
