package simulated

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// maxHide is the longest that a message can be hidden.
const maxHide = 7 * 24 * time.Hour

// queue holds messages in the order in which they were put. They are shared
// between states and never changed.
type queue struct {
	messages []*message
}

type message struct {
	id, receipt string // the receipt of the latest take
	body        []byte
	inserted    time.Time
	visible     time.Time // from when on
	taken       int
}

// CreateQueue implements [storage.Queues].
func (c *Client) CreateQueue(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: CreateQueue, Resource: name}, func(q *request) error {
		if err := checkQueueName("queue", name); err != nil {
			return err
		}
		s := c.a.mu.state
		switch {
		case s.queues[name] != nil:
			return nil
		case c.a.Now().Before(s.deleted["queue/"+name]):
			return gone("queue "+name, "409 QueueBeingDeleted: it is being deleted")
		}
		s.queues[name] = &queue{}
		c.a.observed(q, nil, nil)
		return nil
	})
}

// DeleteQueue implements [storage.Queues].
func (c *Client) DeleteQueue(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: DeleteQueue, Resource: name}, func(q *request) error {
		if _, err := c.a.queueLocked(name); err != nil {
			return err
		}
		s := c.a.mu.state
		delete(s.queues, name)
		s.deleted["queue/"+name] = c.a.Now().Add(QueueReuse)
		c.a.observed(q, nil, nil)
		return nil
	})
}

func (a *Account) queueLocked(name string) (*queue, error) {
	if q := a.mu.state.queues[name]; q != nil {
		return q, nil
	}
	if a.Now().Before(a.mu.state.deleted["queue/"+name]) {
		return nil, gone("queue "+name, "409 QueueBeingDeleted: it is being deleted")
	}
	return nil, gone("queue "+name, "404 QueueNotFound")
}

// checkHide judges a time for which a message is hidden.
func checkHide(d, least time.Duration) error {
	if d < least || d > maxHide || d%time.Second != 0 {
		return reject(storage.Invalid, -1, fmt.Sprintf("hiding a message for %v", d), "400 OutOfRangeQueryParameterValue: whole seconds, at most 7 days")
	}
	return nil
}

// checkBody judges a body as it is encoded: JSON that can be read stands as it
// is, everything else as base64.
func checkBody(body []byte) error {
	n := base64.StdEncoding.EncodedLen(len(body))
	if len(body) > 0 && (body[0] == '{' || body[0] == '[') && json.Valid(body) && !bytes.ContainsFunc(body, unprintable) {
		n = len(body)
	}
	if n > storage.MaxMessageBytes {
		return reject(storage.TooLarge, -1, "message", fmt.Sprintf("413 RequestBodyTooLarge: %d bytes encoded", n))
	}
	return nil
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// Enqueue implements [storage.Queues].
func (c *Client) Enqueue(ctx context.Context, name string, body []byte, delay time.Duration) error {
	if err := errors.Join(checkHide(delay, 0), checkBody(body)); err != nil {
		return err
	}
	body = copied(body)
	return c.tell(ctx, Call{Kind: Enqueue, Resource: name, Body: body}, func(q *request) error {
		q.moved.sent = len(body)
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return err
		}
		now := c.a.Now()
		m := &message{id: fmt.Sprintf("%016x", c.a.nextLocked()), body: body, inserted: now.Truncate(time.Second), visible: now.Add(delay)}
		queue.messages = append(queue.messages, m)
		c.a.observed(q, nil, []storage.Message{m.shown()})
		return nil
	})
}

// shown is the message as callers see it; its body is shared.
func (m *message) shown() storage.Message {
	return storage.Message{ID: m.id, Receipt: m.receipt, Body: m.body, Inserted: m.inserted, Taken: m.taken}
}

// some draws at most n of the visible messages, as indices: roughly the oldest,
// in any order.
func (q *queue) some(n int, now time.Time, lots *rand.Rand) []int {
	var visible []int
	for i, m := range q.messages {
		if !m.visible.After(now) {
			visible = append(visible, i)
		}
	}
	slices.SortStableFunc(visible, func(i, j int) int { return q.messages[i].visible.Compare(q.messages[j].visible) })
	visible = visible[:min(len(visible), 2*n+4)]
	lots.Shuffle(len(visible), func(i, j int) { visible[i], visible[j] = visible[j], visible[i] })
	return visible[:min(len(visible), n)]
}

// Take implements [storage.Queues].
func (c *Client) Take(ctx context.Context, name string, n int, hide time.Duration) ([]storage.Message, error) {
	if err := errors.Join(checkHide(hide, time.Second), checkCount(n)); err != nil {
		return nil, err
	}
	return send(ctx, c, Call{Kind: Take, Resource: name}, func(q *request) ([]storage.Message, error) {
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return nil, err
		}
		now := c.a.Now()
		var shared, own []storage.Message
		for _, i := range queue.some(n, now, q.lots) {
			m := *queue.messages[i]
			m.taken++
			m.receipt = fmt.Sprintf("r%016x", c.a.nextLocked())
			m.visible = now.Add(hide)
			queue.messages[i] = &m
			shared = append(shared, m.shown())
			own = append(own, q.take(&m))
		}
		if q.moved.emptyTake = len(own) == 0; !q.moved.emptyTake {
			c.a.observed(q, nil, shared)
		}
		return own, nil
	})
}

// take is a copy of a message, for a caller.
func (q *request) take(m *message) storage.Message {
	shown := m.shown()
	shown.Body = copied(m.body)
	q.moved.received += len(m.body)
	return shown
}

func checkCount(n int) error {
	if n < 1 || n > storage.MaxTake {
		return reject(storage.Invalid, -1, fmt.Sprintf("%d messages", n), "400 OutOfRangeQueryParameterValue: from 1 to 32")
	}
	return nil
}

// Peek implements [storage.Queues].
func (c *Client) Peek(ctx context.Context, name string, n int) ([]storage.Message, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	return send(ctx, c, Call{Kind: Peek, Resource: name}, func(q *request) ([]storage.Message, error) {
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return nil, err
		}
		var found []storage.Message
		for _, i := range queue.some(n, c.a.Now(), q.lots) {
			m := q.take(queue.messages[i])
			m.Receipt = ""
			found = append(found, m)
		}
		return found, nil
	})
}

// Count implements [storage.Queues]. At times it is more than there are.
func (c *Client) Count(ctx context.Context, name string) (int, error) {
	return send(ctx, c, Call{Kind: CountMessages, Resource: name}, func(q *request) (int, error) {
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return 0, err
		}
		return len(queue.messages) + max(0, q.lots.IntN(8)-6), nil
	})
}

// held finds a message that the receipt still holds.
func (q *queue) held(m storage.Message) (int, error) {
	i := slices.IndexFunc(q.messages, func(have *message) bool { return have.id == m.ID })
	switch {
	case i < 0:
		return 0, reject(storage.Missing, -1, "message "+m.ID, "404 MessageNotFound")
	case m.Receipt == "" || q.messages[i].receipt != m.Receipt:
		return 0, reject(storage.Precondition, -1, "message "+m.ID, "400 PopReceiptMismatch")
	}
	return i, nil
}

// Extend implements [storage.Queues].
func (c *Client) Extend(ctx context.Context, name string, m storage.Message, hide time.Duration, body []byte) (string, error) {
	if err := errors.Join(checkHide(hide, 0), checkBody(body)); err != nil {
		return "", err
	}
	body = bytes.Clone(body)
	return send(ctx, c, Call{Kind: Extend, Resource: name, Key: m.ID, Body: body}, func(q *request) (string, error) {
		q.moved.sent = len(body)
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return "", err
		}
		i, err := queue.held(m)
		if err != nil {
			return "", err
		}
		changed := *queue.messages[i]
		changed.receipt = fmt.Sprintf("r%016x", c.a.nextLocked())
		changed.visible = c.a.Now().Add(hide)
		if body != nil {
			changed.body = body
		}
		queue.messages[i] = &changed
		c.a.observed(q, nil, []storage.Message{changed.shown()})
		return changed.receipt, nil
	})
}

// Remove implements [storage.Queues].
func (c *Client) Remove(ctx context.Context, name string, m storage.Message) error {
	return c.tell(ctx, Call{Kind: Remove, Resource: name, Key: m.ID}, func(q *request) error {
		queue, err := c.a.queueLocked(name)
		if err != nil {
			return err
		}
		i, err := queue.held(m)
		if err != nil {
			return err
		}
		removed := queue.messages[i]
		queue.messages = slices.Delete(queue.messages, i, i+1)
		c.a.observed(q, nil, []storage.Message{removed.shown()})
		return nil
	})
}

// Queues implements [storage.Queues].
func (c *Client) Queues(ctx context.Context, prefix string) ([]string, error) {
	return send(ctx, c, Call{Kind: ListQueues, Resource: prefix}, func(*request) ([]string, error) {
		return slices.DeleteFunc(c.a.mu.state.Queues(), func(name string) bool { return !strings.HasPrefix(name, prefix) }), nil
	})
}
