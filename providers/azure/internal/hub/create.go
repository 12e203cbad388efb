package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// A hub shares its account with whatever else is there. It is a table and a container
// of its name, and queues that its name begins. The hub record says that the table is a
// hub's; who makes it has seen that neither the table nor the container was anybody's.

// createHub makes what is missing of a hub, and the hub record last.
func (s *Store) createHub(ctx context.Context) error {
	if err := nobodys(ctx, s.account, s.cfg.Name); err != nil {
		_, made := s.account.Get(ctx, s.cfg.Name, row.Management, row.HubRecord)
		if storage.Is(made, storage.Missing) || errors.Is(made, storage.ErrGone) {
			return err
		}
		return made // another has just made a hub of it
	}
	unlessThere := func(err error) error {
		if storage.Is(err, storage.Exists) {
			return nil
		}
		return err
	}
	if err := unlessThere(s.account.CreateTable(ctx, s.cfg.Name)); err != nil {
		return err
	}
	if err := unlessThere(s.account.CreateContainer(ctx, s.cfg.Name)); err != nil {
		return err
	}
	if err := s.account.CreateQueue(ctx, s.workQueue(anyWork)); err != nil {
		return err
	}
	made := hubRecord{Format: row.Format, Partitions: s.cfg.Partitions, Generation: s.cfg.Unique()[:6], Created: s.cfg.Now().UnixNano(), Secret: s.newSecret()}
	_, err := s.account.Transact(ctx, s.cfg.Name, row.Management, []storage.Op{{
		Verb: storage.Insert,
		Row:  storage.Row{Key: row.HubRecord, Cells: map[string][]byte{hubCell: wire.MustJSON(made)}},
	}})
	return err
}

// nobodys looks whether a table or a container that has the name of a hub may be the
// hub's, although there is no hub record: they are not there, or empty.
func nobodys(ctx context.Context, a storage.Account, name string) error {
	empty, err := a.Empty(ctx, name)
	what := "table"
	if errors.Is(err, storage.ErrGone) || err == nil && empty {
		empty, err = emptyContainer(ctx, a, name)
		what = "container"
	}
	switch {
	case errors.Is(err, storage.ErrGone):
		return nil
	case err == nil && !empty:
		return fmt.Errorf("%w: the account has a %s named %s that is not empty and is no hub's: choose another name for the hub", provider.ErrSchema, what, name)
	}
	return err
}

func emptyContainer(ctx context.Context, a storage.Account, name string) (bool, error) {
	for marker := ""; ; {
		page, err := a.ListBlobs(ctx, name, "", marker)
		if marker = page.Next; err != nil || len(page.Blobs) > 0 || marker == "" {
			return len(page.Blobs) == 0, err
		}
	}
}

// Delete removes a hub with everything in it, and nothing else: what has its name and
// is no hub's is refused. A hub that does not exist is no error. Azure needs about a
// minute until a hub of that name can be made again.
func Delete(ctx context.Context, a storage.Account, name string) error {
	if err := ValidateName(name); err != nil {
		return fmt.Errorf("azure: %w", err)
	}
	return failed("deleting hub "+name, deleteHub(ctx, a, name))
}

// deleteHub removes the table last: with the hub record, a hub of which a part is left
// can be deleted again. Hosts that have not noticed may make queues anew until then.
func deleteHub(ctx context.Context, a storage.Account, name string) error {
	_, err := a.Get(ctx, name, row.Management, row.HubRecord)
	switch {
	case storage.Is(err, storage.Missing): // who made it did not come to its end, if it is a hub's at all
		if err := nobodys(ctx, a, name); err != nil {
			return err
		}
	case errors.Is(err, storage.ErrGone):
		return nil // what a hub leaves goes before its table
	case err != nil:
		return err
	}
	if err := errors.Join(deleteQueues(ctx, a, name), unlessGone(a.DeleteContainer(ctx, name))); err != nil {
		return err
	}
	if err := unlessGone(a.DeleteTable(ctx, name)); err != nil {
		return err
	}
	return deleteQueues(ctx, a, name)
}

func unlessGone(err error) error {
	if errors.Is(err, storage.ErrGone) {
		return nil
	}
	return err
}

// deleteQueues removes the queues of a hub.
func deleteQueues(ctx context.Context, a storage.Account, name string) error {
	queues, err := a.Queues(ctx, name+"-")
	for _, q := range queues {
		if ofHub(strings.TrimPrefix(q, name)) {
			err = errors.Join(err, unlessGone(a.DeleteQueue(ctx, q)))
		}
	}
	return err
}

// ofHub reports whether a queue is a hub's, by what its name has after that of the hub.
func ofHub(rest string) bool {
	return rest == workSuffix || strings.HasPrefix(rest, tagSuffix) || strings.HasPrefix(rest, hostSuffix) || strings.HasPrefix(rest, wakeSuffix)
}

// The queues of a hub have its name and one of these, and what they are for.
const (
	workSuffix = "-work"  // any host's activities
	tagSuffix  = "-wt-"   // those of a tag
	hostSuffix = "-wh-"   // those of an incarnation
	wakeSuffix = "-wake-" // what an incarnation is woken by
)
