package strict

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Limits of the Queue service, documented under its operations.
const (
	maxMessageBytes = 64 << 10
	maxHiddenS      = 7 * 24 * 60 * 60
	maxMessages     = 32
	never           = -1 // the life of a message that does not expire
)

var queueName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

func checkQueue(o operation.Operation, request *http.Request, body []byte) *refusal {
	q := request.URL.Query()
	if o.Name != "" {
		if r := checkName(o.Name, queueName); r != nil {
			return r
		}
	}
	switch o.Kind {
	case operation.PutMessage:
		return first(checkPut(q), checkMessage(body))
	case operation.GetMessages:
		return first(inRange(q, "visibilitytimeout", false, 1, maxHiddenS), inRange(q, "numofmessages", false, 1, maxMessages))
	case operation.PeekMessages:
		return inRange(q, "numofmessages", false, 1, maxMessages)
	case operation.UpdateMessage:
		return first(present(q, "popreceipt"), inRange(q, "visibilitytimeout", true, 0, maxHiddenS), checkMessage(body))
	case operation.DeleteMessage:
		return present(q, "popreceipt")
	default:
		return nil
	}
}

// checkPut checks that a message does not expire before it is seen.
func checkPut(q url.Values) *refusal {
	ttl := maxHiddenS
	if q.Has("messagettl") {
		n, err := strconv.Atoi(q.Get("messagettl"))
		if err != nil || n != never && n < 1 {
			return outOfRange("messagettl", q.Get("messagettl"))
		}
		ttl = n
	}
	if r := inRange(q, "visibilitytimeout", false, 0, maxHiddenS); r != nil {
		return r
	}
	if hidden, _ := strconv.Atoi(q.Get("visibilitytimeout")); ttl != never && q.Has("visibilitytimeout") && hidden >= ttl {
		return outOfRange("visibilitytimeout", q.Get("visibilitytimeout"))
	}
	return nil
}

func checkMessage(body []byte) *refusal {
	if len(body) == 0 {
		return nil // of an update that leaves it
	}
	var message struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    string   `xml:"MessageText"`
	}
	if err := xml.NewDecoder(bytes.NewReader(body)).Decode(&message); err != nil {
		return &refusal{"size", http.StatusBadRequest, "InvalidXmlDocument", "XML specified is not syntactically valid: " + err.Error()}
	}
	if len(message.Text) > maxMessageBytes {
		return &refusal{"size", http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."}
	}
	return nil
}

func checkName(name string, pattern *regexp.Regexp) *refusal {
	switch {
	case len(name) < 3 || len(name) > 63:
		return &refusal{"name", http.StatusBadRequest, "OutOfRangeInput", "The specified resource name length is not within the permissible limits: " + name}
	case !pattern.MatchString(name):
		return &refusal{"name", http.StatusBadRequest, "InvalidResourceName", "The specified resource name contains invalid characters: " + name}
	}
	return nil
}

func present(q url.Values, parameter string) *refusal {
	if q.Get(parameter) != "" {
		return nil
	}
	return &refusal{"parameter", http.StatusBadRequest, "MissingRequiredQueryParameter", "A query parameter that's mandatory for this request is not specified: " + parameter}
}

func inRange(q url.Values, parameter string, required bool, low, high int) *refusal {
	if !q.Has(parameter) {
		if required {
			return present(q, parameter)
		}
		return nil
	}
	if n, err := strconv.Atoi(q.Get(parameter)); err != nil || n < low || n > high {
		return outOfRange(parameter, q.Get(parameter))
	}
	return nil
}

func outOfRange(parameter, value string) *refusal {
	return &refusal{
		"parameter", http.StatusBadRequest, "OutOfRangeQueryParameterValue",
		"One of the query parameters specified in the request URI is outside the permissible range: " + parameter + "=" + value,
	}
}

// first is the first refusal there is.
func first(rs ...*refusal) *refusal {
	for _, r := range rs {
		if r != nil {
			return r
		}
	}
	return nil
}
