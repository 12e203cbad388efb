package simulated

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	maxBlobName  = 1024
	maxBlobsPage = 5_000
)

type container struct {
	blobs map[string]*blob
}

// blob is shared between states and never changed.
type blob struct {
	data     []byte
	modified time.Time
}

// CreateContainer implements [storage.Blobs].
func (c *Client) CreateContainer(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: CreateContainer, Resource: name}, func(q *request) error {
		if err := checkQueueName("container", name); err != nil {
			return err
		}
		s := c.a.mu.state
		switch {
		case s.containers[name] != nil:
			return reject(storage.Exists, -1, "container "+name, "409 ContainerAlreadyExists")
		case c.a.Now().Before(s.deleted["container/"+name]):
			return gone("container "+name, "409 ContainerBeingDeleted: it is being deleted")
		}
		s.containers[name] = &container{blobs: map[string]*blob{}}
		c.a.observed(q, nil, nil)
		return nil
	})
}

// DeleteContainer implements [storage.Blobs].
func (c *Client) DeleteContainer(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: DeleteContainer, Resource: name}, func(q *request) error {
		if _, err := c.a.containerLocked(name); err != nil {
			return err
		}
		s := c.a.mu.state
		delete(s.containers, name)
		s.deleted["container/"+name] = c.a.Now().Add(QueueReuse)
		c.a.observed(q, nil, nil)
		return nil
	})
}

func (a *Account) containerLocked(name string) (*container, error) {
	if c := a.mu.state.containers[name]; c != nil {
		return c, nil
	}
	if a.Now().Before(a.mu.state.deleted["container/"+name]) {
		return nil, gone("container "+name, "409 ContainerBeingDeleted: it is being deleted")
	}
	return nil, gone("container "+name, "404 ContainerNotFound")
}

// PutBlob implements [storage.Blobs].
func (c *Client) PutBlob(ctx context.Context, in, name string, data []byte) error {
	data = copied(data)
	return c.tell(ctx, Call{Kind: PutBlob, Resource: in, Key: name, Body: data}, func(q *request) error {
		q.moved.sent = len(data)
		into, err := c.a.containerLocked(in)
		switch {
		case err != nil:
			return err
		case name == "" || utf8.RuneCountInString(name) > maxBlobName || !utf8.ValidString(name):
			return reject(storage.Invalid, -1, "blob "+name, "400 InvalidResourceName")
		case into.blobs[name] != nil:
			return reject(storage.Exists, -1, "blob "+name, "409 BlobAlreadyExists")
		}
		into.blobs[name] = &blob{data: data, modified: c.a.Now().Truncate(time.Second)}
		c.a.observed(q, nil, nil)
		return nil
	})
}

// blobLocked finds a blob.
func (a *Account) blobLocked(in, name string) (*container, *blob, error) {
	c, err := a.containerLocked(in)
	if err != nil {
		return nil, nil, err
	}
	b := c.blobs[name]
	if b == nil {
		return nil, nil, reject(storage.Missing, -1, "blob "+name, "404 BlobNotFound")
	}
	return c, b, nil
}

// GetBlob implements [storage.Blobs].
func (c *Client) GetBlob(ctx context.Context, in, name string) ([]byte, error) {
	return send(ctx, c, Call{Kind: GetBlob, Resource: in, Key: name}, func(q *request) ([]byte, error) {
		_, b, err := c.a.blobLocked(in, name)
		if err != nil {
			return nil, err
		}
		q.moved.received = len(b.data)
		return copied(b.data), nil
	})
}

// DeleteBlob implements [storage.Blobs].
func (c *Client) DeleteBlob(ctx context.Context, in, name string) error {
	return c.tell(ctx, Call{Kind: DeleteBlob, Resource: in, Key: name}, func(q *request) error {
		from, _, err := c.a.blobLocked(in, name)
		if err != nil {
			return err
		}
		delete(from.blobs, name)
		c.a.observed(q, nil, nil)
		return nil
	})
}

// ListBlobs implements [storage.Blobs].
func (c *Client) ListBlobs(ctx context.Context, in, prefix, marker string) (storage.BlobPage, error) {
	return send(ctx, c, Call{Kind: ListBlobs, Resource: in, Key: prefix}, func(q *request) (storage.BlobPage, error) {
		from, err := c.a.containerLocked(in)
		if err != nil {
			return storage.BlobPage{}, err
		}
		var names []string
		for name := range maps.Keys(from.blobs) {
			if strings.HasPrefix(name, prefix) && name >= marker {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		show := min(len(names), maxBlobsPage)
		if !c.a.cfg.WholePages && q.lots.IntN(8) == 0 && show > 0 {
			show = 1 + q.lots.IntN(show)
		}
		var page storage.BlobPage
		for _, name := range names[:show] {
			b := from.blobs[name]
			page.Blobs = append(page.Blobs, storage.Blob{Name: name, Size: int64(len(b.data)), Modified: b.modified})
		}
		if show < len(names) {
			page.Next = names[show]
		}
		return page, nil
	})
}
