package sdk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// maxHide is the longest that the service hides a message.
const maxHide = 7 * 24 * time.Hour

func queueCall(verb, queue string) call {
	return call{service: queues, verb: verb, what: "queue " + queue, whole: true}
}

func messageCall(verb, queue string, m storage.Message) call {
	return call{service: queues, verb: verb, what: "message " + m.ID + " of queue " + queue}
}

// encodeBody writes a body as the text of a message.
func encodeBody(body []byte) string {
	if standsAsText(body) {
		return string(body)
	}
	return base64.StdEncoding.EncodeToString(body)
}

// standsAsText reports whether a body is JSON that can be read as it stands, and
// that no base64 looks like.
func standsAsText(body []byte) bool {
	if !beginsText(body) || !json.Valid(body) {
		return false
	}
	for b := body; len(b) > 0; {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
		b = b[size:]
	}
	return true
}

func beginsText[T string | []byte](body T) bool {
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// decodeBody reads the text of a message. Text that nobody encoded is returned
// as it is.
func decodeBody(text string) []byte {
	if !beginsText(text) {
		if body, err := base64.StdEncoding.DecodeString(text); err == nil {
			return body
		}
	}
	return []byte(text)
}

// checkedBody encodes a body that fits.
func checkedBody(c call, body []byte) (string, error) {
	encoded := encodeBody(body)
	if len(encoded) > storage.MaxMessageBytes {
		return "", c.refuse(storage.TooLarge, -1, fmt.Errorf("%d bytes as encoded, at most %d fit", len(encoded), storage.MaxMessageBytes))
	}
	return encoded, nil
}

// seconds is a time in what the service counts in.
func seconds(c call, d, least time.Duration) (*int32, error) {
	if d < least || d > maxHide || d%time.Second != 0 {
		return nil, c.refuse(storage.Invalid, -1, fmt.Errorf("%v, want whole seconds from %v to %v", d, least, maxHide))
	}
	return new(int32(d / time.Second)), nil
}

// checkCount is how many messages to ask for.
func checkCount(c call, n int) (*int32, error) {
	if n < 1 || n > storage.MaxTake {
		return nil, c.refuse(storage.Invalid, -1, fmt.Errorf("%d messages, want 1 to %d", n, storage.MaxTake))
	}
	return new(int32(n)), nil
}

// CreateQueue implements [storage.Queues].
func (a *Account) CreateQueue(ctx context.Context, queue string) error {
	err := a.write(ctx, queueCall("creating", queue), 0, func(ctx context.Context) error {
		_, err := a.queues.NewQueueClient(queue).Create(ctx, nil)
		return err
	})
	if storage.Is(err, storage.Exists) {
		return nil
	}
	return err
}

// DeleteQueue implements [storage.Queues].
func (a *Account) DeleteQueue(ctx context.Context, queue string) error {
	return a.write(ctx, queueCall("deleting", queue), 0, func(ctx context.Context) error {
		_, err := a.queues.NewQueueClient(queue).Delete(ctx, nil)
		return err
	})
}

// Enqueue implements [storage.Queues].
func (a *Account) Enqueue(ctx context.Context, queue string, body []byte, delay time.Duration) error {
	c := queueCall("adding a message to", queue)
	text, err := checkedBody(c, body)
	if err != nil {
		return err
	}
	hide, err := seconds(c, delay, 0)
	if err != nil {
		return err
	}
	return a.write(ctx, c, len(text), func(ctx context.Context) error {
		forever := new(int32(-1))
		_, err := a.queues.NewQueueClient(queue).EnqueueMessage(ctx, text, &azqueue.EnqueueMessageOptions{TimeToLive: forever, VisibilityTimeout: hide})
		return err
	})
}

// Take implements [storage.Queues]. It is a write: an answer that is lost has
// hidden messages.
func (a *Account) Take(ctx context.Context, queue string, n int, hide time.Duration) (taken []storage.Message, err error) {
	c := queueCall("taking messages of", queue)
	timeout, err := seconds(c, hide, time.Second)
	if err != nil {
		return nil, err
	}
	count, err := checkCount(c, n)
	if err != nil {
		return nil, err
	}
	err = a.write(ctx, c, 0, func(ctx context.Context) error {
		answer, err := a.queues.NewQueueClient(queue).DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: count, VisibilityTimeout: timeout})
		if err != nil {
			return err
		}
		for _, m := range answer.Messages {
			if m == nil || m.MessageID == nil || m.PopReceipt == nil || m.InsertionTime == nil || m.DequeueCount == nil {
				c.write = true
				return c.corrupt(errors.New("a message without its id, receipt, time or count"))
			}
			taken = append(taken, storage.Message{
				ID: *m.MessageID, Receipt: *m.PopReceipt, Body: decodeBody(orEmpty(m.MessageText)), Inserted: *m.InsertionTime, Taken: int(*m.DequeueCount),
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// keepBody marks the context of an update that leaves the body alone.
type keepBody struct{}

// bodyless takes the body off an update that is to leave the message's alone: the
// SDK's client always sends one, and the service would take it.
type bodyless struct{}

// Do implements the SDK's policy.
func (bodyless) Do(request *policy.Request) (*http.Response, error) {
	if request.Raw().Context().Value(keepBody{}) != nil {
		if err := request.SetBody(nil, ""); err != nil {
			return nil, err
		}
	}
	return request.Next()
}

// Extend implements [storage.Queues].
func (a *Account) Extend(ctx context.Context, queue string, m storage.Message, hide time.Duration, body []byte) (receipt string, err error) {
	c := messageCall("extending", queue, m)
	timeout, err := seconds(c, hide, 0)
	if err != nil {
		return "", err
	}
	text := ""
	if body == nil {
		ctx = context.WithValue(ctx, keepBody{}, true)
	} else if text, err = checkedBody(c, body); err != nil {
		return "", err
	}
	err = a.write(ctx, c, len(text), func(ctx context.Context) error {
		answer, err := a.queues.NewQueueClient(queue).UpdateMessage(ctx, m.ID, m.Receipt, text, &azqueue.UpdateMessageOptions{VisibilityTimeout: timeout})
		if err != nil {
			return err
		}
		if answer.PopReceipt == nil {
			c.write = true
			return c.corrupt(errors.New("an answer without a receipt"))
		}
		receipt = *answer.PopReceipt
		return nil
	})
	return receipt, err
}

// Remove implements [storage.Queues].
func (a *Account) Remove(ctx context.Context, queue string, m storage.Message) error {
	return a.write(ctx, messageCall("removing", queue, m), 0, func(ctx context.Context) error {
		_, err := a.queues.NewQueueClient(queue).DeleteMessage(ctx, m.ID, m.Receipt, nil)
		return err
	})
}

// Peek implements [storage.Queues].
func (a *Account) Peek(ctx context.Context, queue string, n int) (seen []storage.Message, err error) {
	c := queueCall("peeking into", queue)
	count, err := checkCount(c, n)
	if err != nil {
		return nil, err
	}
	err = a.read(ctx, c, func(ctx context.Context) error {
		seen = nil
		answer, err := a.queues.NewQueueClient(queue).PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: count})
		if err != nil {
			return err
		}
		for _, m := range answer.Messages {
			if m == nil || m.MessageID == nil || m.InsertionTime == nil || m.DequeueCount == nil {
				return c.corrupt(errors.New("a message without its id, time or count"))
			}
			seen = append(seen, storage.Message{ID: *m.MessageID, Body: decodeBody(orEmpty(m.MessageText)), Inserted: *m.InsertionTime, Taken: int(*m.DequeueCount)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return seen, nil
}

// Count implements [storage.Queues].
func (a *Account) Count(ctx context.Context, queue string) (n int, err error) {
	c := queueCall("counting the messages of", queue)
	err = a.read(ctx, c, func(ctx context.Context) error {
		answer, err := a.queues.NewQueueClient(queue).GetProperties(ctx, nil)
		if err != nil {
			return err
		}
		if answer.ApproximateMessagesCount == nil {
			return c.corrupt(errors.New("no count of messages"))
		}
		n = int(*answer.ApproximateMessagesCount)
		return nil
	})
	return n, err
}

// Queues implements [storage.Queues].
func (a *Account) Queues(ctx context.Context, prefix string) ([]string, error) {
	c := call{service: queues, verb: "listing", what: "queues " + prefix + "*", whole: true}
	var names []string
	for marker := new(""); marker != nil; {
		err := a.read(ctx, c, func(ctx context.Context) error {
			page, err := a.queues.NewListQueuesPager(&azqueue.ListQueuesOptions{Prefix: &prefix, Marker: marker}).NextPage(ctx)
			if err != nil {
				return err
			}
			for _, q := range page.Queues {
				if q == nil || q.Name == nil {
					return c.corrupt(errors.New("a queue without a name"))
				}
				names = append(names, *q.Name)
			}
			if marker = page.NextMarker; marker != nil && *marker == "" {
				marker = nil
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
