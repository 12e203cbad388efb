package overhttp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func (x *exchange) queue(ctx context.Context) (answer, error) {
	q := x.request.URL.Query()
	hide, err := strconv.Atoi(q.Get("visibilitytimeout"))
	if q.Has("visibilitytimeout") && err != nil {
		return x.strange("visibilitytimeout")
	}
	n, err := strconv.Atoi(q.Get("numofmessages"))
	if q.Has("numofmessages") && err != nil {
		return x.strange("numofmessages")
	}
	hidden := time.Duration(hide) * time.Second
	switch x.Kind {
	case operation.ListQueues:
		return x.queues(ctx, q.Get("prefix"), q.Get("marker"))
	case operation.CreateQueue:
		return answer{status: http.StatusCreated}, x.client.CreateQueue(ctx, x.Name)
	case operation.DeleteQueue:
		return answer{status: http.StatusNoContent}, x.client.DeleteQueue(ctx, x.Name)
	case operation.QueueProperties:
		n, err := x.client.Count(ctx, x.Name)
		return answer{status: http.StatusOK, header: map[string]string{"x-ms-approximate-messages-count": strconv.Itoa(n)}}, err
	case operation.PutMessage:
		return x.put(ctx, q.Get("messagettl"), hidden)
	case operation.GetMessages:
		found, err := x.client.Take(ctx, x.Name, n, hidden)
		return answer{status: http.StatusOK}.as(x.messages(found, x.account.Now().Add(hidden))), err
	case operation.PeekMessages:
		found, err := x.client.Peek(ctx, x.Name, n)
		return answer{status: http.StatusOK}.as(x.messages(found, time.Time{})), err
	case operation.UpdateMessage:
		return x.update(ctx, q.Get("popreceipt"), hidden)
	case operation.DeleteMessage:
		return answer{status: http.StatusNoContent}, x.client.Remove(ctx, x.Name, storage.Message{ID: x.Item, Receipt: q.Get("popreceipt")})
	default:
		return x.strange("an operation of queues that is not in use")
	}
}

// The bodies of the Queue service.
type (
	queueMessage struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    string   `xml:"MessageText"`
	}
	messageList struct {
		XMLName  xml.Name  `xml:"QueueMessagesList"`
		Messages []message `xml:"QueueMessage"`
	}
	message struct {
		ID          string `xml:"MessageId"`
		Inserted    string `xml:"InsertionTime"`
		Expires     string `xml:"ExpirationTime"`
		Receipt     string `xml:"PopReceipt,omitempty"`
		NextVisible string `xml:"TimeNextVisible,omitempty"`
		Taken       string `xml:"DequeueCount,omitempty"`
		Text        string `xml:"MessageText,omitempty"`
	}
	queueList struct {
		XMLName  xml.Name `xml:"EnumerationResults"`
		Endpoint string   `xml:"ServiceEndpoint,attr"`
		Prefix   string   `xml:"Prefix"`
		Max      int      `xml:"MaxResults"`
		Queues   []named  `xml:"Queues>Queue"`
		Next     string   `xml:"NextMarker"`
	}
	named struct{ Name string }
)

// never is when a message expires that does not.
const never = "Fri, 31 Dec 9999 23:59:59 GMT"

func stamp(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func (x *exchange) put(ctx context.Context, ttl string, delay time.Duration) (answer, error) {
	text, ok := textOf(x.body)
	if ttl != "-1" || !ok {
		return x.strange("a message that expires, or has no text")
	}
	if err := x.client.Enqueue(ctx, x.Name, decodeText(text), delay); err != nil {
		return answer{}, err
	}
	now := x.account.Now()
	m := message{ID: strconv.FormatUint(x.lot, 16), Inserted: stamp(now), Expires: never, Receipt: "first", NextVisible: stamp(now.Add(delay))}
	return answer{status: http.StatusCreated}.as(messageList{Messages: []message{m}}), nil
}

func (x *exchange) update(ctx context.Context, receipt string, hide time.Duration) (answer, error) {
	var body []byte
	if len(x.body) > 0 {
		text, ok := textOf(x.body)
		if !ok {
			return x.strange("a message without text")
		}
		body = decodeText(text)
	}
	receipt, err := x.client.Extend(ctx, x.Name, storage.Message{ID: x.Item, Receipt: receipt}, hide, body)
	return answer{status: http.StatusNoContent, header: map[string]string{
		"x-ms-popreceipt": receipt, "x-ms-time-next-visible": stamp(x.account.Now().Add(hide)),
	}}, err
}

// messages is a list of them, which were taken if they are visible again at some time.
func (x *exchange) messages(found []storage.Message, visible time.Time) (list messageList) {
	for _, m := range found {
		one := message{ID: m.ID, Inserted: stamp(m.Inserted), Expires: never, Receipt: m.Receipt, Taken: strconv.Itoa(m.Taken), Text: encodeText(m.Body)}
		if !visible.IsZero() {
			one.NextVisible = stamp(visible)
		}
		list.Messages = append(list.Messages, one)
	}
	return list
}

// queues lists a few queues, and tells where to go on.
func (x *exchange) queues(ctx context.Context, prefix, marker string) (answer, error) {
	const most = 3
	names, err := x.client.Queues(ctx, prefix)
	from, _ := slices.BinarySearch(names, marker)
	names = names[from:]
	list := queueList{Endpoint: "https://" + x.request.URL.Host + "/", Prefix: prefix, Max: most}
	for i, name := range names {
		if i == most {
			list.Next = name
			break
		}
		list.Queues = append(list.Queues, named{name})
	}
	return answer{status: http.StatusOK}.as(list), err
}

// textOf is the text of a message that a body of XML holds.
func textOf(body []byte) (text string, ok bool) {
	var m queueMessage
	err := xml.Unmarshal(body, &m)
	return m.Text, err == nil
}

// decodeText gives the body of a text; see package sdk for how it writes them.
func decodeText(text string) []byte {
	if body, err := base64.StdEncoding.DecodeString(text); err == nil && !object([]byte(text)) {
		return body
	}
	return []byte(text)
}

func encodeText(body []byte) string {
	plain := object(body) && json.Valid(body)
	for b := body; plain && len(b) > 0; {
		r, size := utf8.DecodeRune(b)
		plain = r != utf8.RuneError && unicode.IsPrint(r)
		b = b[size:]
	}
	if plain {
		return string(body)
	}
	return base64.StdEncoding.EncodeToString(body)
}

func object(b []byte) bool { return len(b) > 0 && (b[0] == '{' || b[0] == '[') }
