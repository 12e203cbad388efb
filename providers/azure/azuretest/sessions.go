package azuretest

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/sharding"
)

// Session is the name of the living host that runs the activities of a session
// without a tag: empty if none does. Lives reports whether the host of the other
// name has a row, that is whether others count on it.
func (a *Account) Session(session, other string) (host string, lives bool) {
	names := map[string]string{}
	leased := ""
	for pk, r := range a.inner.State().Rows(a.cfg.Hub) {
		switch {
		case pk != row.Management:
		case strings.HasPrefix(r.Key, row.HostPrefix):
			var h sharding.Host
			value, err := row.Value(context.Background(), r.Cells, "Host", nil) // it is in no blob
			if err == nil && json.Unmarshal(value, &h) == nil {
				names[h.Incarnation] = h.Name
				lives = lives || h.Name == other
			}
		case r.Key == row.Session(session, ""):
			if l, err := row.ParseLease(r.Cells); err == nil {
				leased = l.Host
			}
		}
	}
	return names[leased], lives
}
