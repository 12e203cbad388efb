package strict_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/strict"
)

const row = "/hub(PartitionKey='p',RowKey='r')"

func long(n int) string { return strings.Repeat("x", n) }

func TestWhatAzureRefusesIsRefused(t *testing.T) {
	insert := func(more string) call { return call{"POST table /hub", "", entity("p", "r", more)} }
	post := func(path, body string) [2]string { return [2]string{"POST " + path, body} }
	binary := func(n int) string {
		return `"B@odata.type":"Edm.Binary","B":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"`
	}
	for name, test := range map[string]struct {
		call call
		want string // rule, status, code
	}{
		"no version":      {call{"GET queue /?comp=list", "x-ms-version: ", ""}, "header 400 MissingRequiredHeader"},
		"no date":         {call{"GET queue /?comp=list", "Authorization: SharedKey a:b", ""}, "header 400 MissingRequiredHeader"},
		"bad table name":  {call{"POST table /Tables", "", `{"TableName":"a-b"}`}, "name 400 InvalidResourceName"},
		"reserved table":  {call{"POST table /Tables", "", `{"TableName":"Tables"}`}, "name 404 ResourceNotFound"},
		"short table":     {call{"POST table /ab", "", entity("p", "r", "")}, "name 400 OutOfRangeInput"},
		"two partitions":  {batch(emulator, post("/hub", entity("p", "r", "")), post("/hub", entity("q", "s", ""))), "one partition 400 CommandsInBatchActOnDifferentPartitions"},
		"two tables":      {batch(emulator, post("/hub", entity("p", "r", "")), post("/bub", entity("p", "s", ""))), "one partition 400 InvalidInput"},
		"read and write":  {batch(emulator, post("/hub", entity("p", "s", "")), [2]string{"GET " + row, ""}), "one partition 400 InvalidInput"},
		"one row twice":   {batch(emulator, post("/hub", entity("p", "r", "")), [2]string{"DELETE " + row, ""}), "once 400 InvalidDuplicateRow"},
		"101 operations":  {inserts(emulator, "hub", 101), "count 400 InvalidInput"},
		"no operation":    {call{"POST table /$batch", "Content-Type: multipart/mixed; boundary=b", "--b--\r\n"}, "count 400 InvalidInput"},
		"no batch":        {call{"POST table /$batch", "Content-Type: text/plain", "hello"}, "header 400 InvalidInput"},
		"4 MiB and more":  {batch(emulator, post("/hub", entity("p", "r", long(4<<20)))), "size 413 RequestBodyTooLarge"},
		"slash in key":    {call{"GET table /hub(PartitionKey='p%2Fq',RowKey='r')", "", ""}, "key 400 OutOfRangeInput"},
		"control in key":  {call{"POST table /hub", "", entity("p", "a\u0080", "")}, "key 400 OutOfRangeInput"},
		"long key":        {call{"POST table /hub", "", entity(long(513), "r", "")}, "key 400 KeyValueTooLarge"},
		"no row key":      {call{"POST table /hub", "", `{"PartitionKey":"p"}`}, "key 400 PropertiesNeedValue"},
		"253 properties":  {insert(properties(253)), "entity 400 TooManyProperties"},
		"1 MiB and more":  {insert(strings64(16)), "entity 400 EntityTooLarge"},
		"long string":     {insert(`"S":"` + long(32<<10+1) + `"`), "property 400 PropertyValueTooLarge"},
		"long binary":     {insert(binary(64<<10 + 1)), "property 400 PropertyValueTooLarge"},
		"bad base64":      {insert(`"B@odata.type":"Edm.Binary","B":"*"`), "property 400 InvalidInput"},
		"bad name":        {insert(`"a-b":1`), "property 400 PropertyNameInvalid"},
		"long name":       {insert(`"` + long(256) + `":1`), "property 400 PropertyNameTooLong"},
		"large integer":   {insert(`"N":3000000000`), "property 400 InvalidInput"},
		"early date":      {insert(`"D@odata.type":"Edm.DateTime","D":"0001-01-01T00:00:00Z"`), "property 400 InvalidInput"},
		"an array":        {insert(`"A":[1]`), "property 400 InvalidInput"},
		"no JSON":         {call{"PUT table " + row, "", "hello"}, "property 400 InvalidInput"},
		"bad if batched":  {batch(emulator, post("/hub", entity("p", "r", "")), post("/hub", entity("p", "s", `"a-b":1`))), "property 400 PropertyNameInvalid"},
		"blind delete":    {call{"DELETE table " + row, "", ""}, "parameter 400 MissingRequiredHeader"},
		"$top of 1001":    {call{"GET table /hub()?$top=1001", "", ""}, "parameter 400 InvalidInput"},
		"column right":    {call{"GET table /hub()?$filter=3+eq+N", "", ""}, "filter 400 InvalidInput"},
		"two columns":     {call{"GET table /hub()?$filter=A+eq+B", "", ""}, "filter 400 InvalidInput"},
		"pasted quote":    {call{"GET table /hub()?$filter=RowKey+eq+'it's'", "", ""}, "filter 400 InvalidInput"},
		"open bracket":    {call{"GET table /hub()?$filter=(A+eq+1", "", ""}, "filter 400 InvalidInput"},
		"16 comparisons":  {call{"GET table /hub()?$filter=A+eq+1" + strings.Repeat("+or+A+eq+1", 15), "", ""}, "filter 400 InvalidInput"},
		"queue name":      {call{"PUT queue /a--b", "", ""}, "name 400 InvalidResourceName"},
		"long message":    {call{"POST queue /orders/messages", "", message(long(64<<10 + 1))}, "size 413 RequestBodyTooLarge"},
		"no XML":          {call{"POST queue /orders/messages", "", "hello"}, "size 400 InvalidXmlDocument"},
		"hidden too long": {call{"POST queue /orders/messages?visibilitytimeout=604801&messagettl=-1", "", message("x")}, "parameter 400 OutOfRangeQueryParameterValue"},
		"hidden for life": {call{"POST queue /orders/messages?visibilitytimeout=5&messagettl=5", "", message("x")}, "parameter 400 OutOfRangeQueryParameterValue"},
		"no life":         {call{"POST queue /orders/messages?messagettl=0", "", message("x")}, "parameter 400 OutOfRangeQueryParameterValue"},
		"get unhidden":    {call{"GET queue /orders/messages?visibilitytimeout=0", "", ""}, "parameter 400 OutOfRangeQueryParameterValue"},
		"get 33":          {call{"GET queue /orders/messages?numofmessages=33", "", ""}, "parameter 400 OutOfRangeQueryParameterValue"},
		"peek 33":         {call{"GET queue /orders/messages?peekonly=true&numofmessages=33", "", ""}, "parameter 400 OutOfRangeQueryParameterValue"},
		"no receipt":      {call{"DELETE queue /orders/messages/1", "", ""}, "parameter 400 MissingRequiredQueryParameter"},
		"no new timeout":  {call{"PUT queue /orders/messages/1?popreceipt=x", "", ""}, "parameter 400 MissingRequiredQueryParameter"},
		"container name":  {call{"PUT blob /Orders?restype=container", "", ""}, "name 400 InvalidResourceName"},
		"blob name":       {call{"PUT blob /orders/" + long(1025), "x-ms-blob-type: BlockBlob", "x"}, "name 400 OutOfRangeInput"},
		"blob metadata":   {call{"PUT blob /orders/b", "x-ms-blob-type: BlockBlob\nx-ms-meta-a-b: 1", "x"}, "name 400 InvalidMetadata"},
		"no blob type":    {call{"PUT blob /orders/b", "", "x"}, "parameter 400 MissingRequiredHeader"},
		"short lease":     {call{"PUT blob /orders/b?comp=lease", "x-ms-lease-duration: 14", ""}, "parameter 400 InvalidHeaderValue"},
	} {
		t.Run(name, func(t *testing.T) {
			checker, next := newChecker(), &sink{}
			status, body, header := do(t, checker.Over(next), test.call.request(t, emulator))
			if next.requests != 0 {
				t.Error("the request reached the emulator")
			}
			violations := checker.Forgive()
			if len(violations) != 1 {
				t.Fatalf("recorded %v, want one violation", violations)
			}
			v := violations[0]
			if got := fmt.Sprint(v.Rule, " ", v.Status, " ", v.Code); got != test.want {
				t.Errorf("recorded %s (%v), want %s", got, v, test.want)
			}
			checkAnswer(t, test.call, v, status, body, header)
			if len(checker.Violations()) != 0 {
				t.Error("a forgiven violation is still there")
			}
		})
	}
}

// checkAnswer checks that an answer says what was recorded, as Azure says it.
func checkAnswer(t *testing.T, c call, v strict.Violation, status int, body string, header http.Header) {
	t.Helper()
	service := strings.Fields(c.line)[1]
	if service != "table" {
		var said struct {
			Code string `xml:"Code"`
		}
		if err := xml.Unmarshal([]byte(body), &said); err != nil || said.Code != v.Code || header.Get("x-ms-error-code") != v.Code || status != v.Status {
			t.Errorf("answered %d %q (%v), want code %s", status, body, err, v.Code)
		}
		return
	}
	inner := body
	if status == http.StatusAccepted {
		status, inner = innerAnswer(t, header, body)
	} else if strings.Contains(c.line, "$batch") && v.Rule != "size" && v.Rule != "header" && !strings.Contains(v.Message, "no operations") {
		t.Errorf("a transaction is answered with %d itself", status)
	}
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"odata.error"`
	}
	if err := json.Unmarshal([]byte(inner), &said); err != nil || said.Error.Code != v.Code || status != v.Status {
		t.Errorf("answered %d %q (%v), want code %s", status, inner, err, v.Code)
	}
	if inner != body && !strings.Contains(said.Error.Message.Value[:3], ":") {
		t.Errorf("the message does not begin with the index of the operation: %q", said.Error.Message.Value)
	}
}

// innerAnswer reads the one part of the answer to a transaction.
func innerAnswer(t *testing.T, header http.Header, body string) (status int, inner string) {
	t.Helper()
	contentType := header.Get("Content-Type")
	for {
		media, parameters, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatal(err)
		}
		if media == "application/http" {
			break
		}
		part, err := multipart.NewReader(strings.NewReader(body), parameters["boundary"]).NextPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		contentType, body = part.Header.Get("Content-Type"), string(text)
	}
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(body)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestWhatAzureAcceptsPasses(t *testing.T) {
	for name, c := range accepted(emulator, "hub", "orders") {
		checker, next := newChecker(), &sink{}
		if status, body, _ := do(t, checker.Over(next), c.request(t, emulator)); status != http.StatusNoContent || next.requests != 1 {
			t.Errorf("%s: refused with %d %s: %v", name, status, body, checker.Violations())
		}
	}
}

func TestADeletedNameIsTakenForAWhile(t *testing.T) {
	for _, test := range []struct {
		remove, create, use call
		code                string
		hold                time.Duration
	}{
		{call{"DELETE table /Tables('Hub')", "", ""}, call{"POST table /Tables", "", `{"TableName":"hub"}`}, call{"GET table /hub()", "", ""}, "TableBeingDeleted", 40 * time.Second},
		{call{"DELETE table /Tables('Hub')", "", ""}, call{"POST table /Tables", "", `{"TableName":"HUB"}`}, inserts(emulator, "hub", 2), "TableBeingDeleted", 40 * time.Second},
		{call{"DELETE queue /orders", "", ""}, call{"PUT queue /orders", "", ""}, call{"GET queue /orders/messages", "", ""}, "QueueBeingDeleted", 30 * time.Second},
		{call{"DELETE blob /orders?restype=container", "", ""}, call{"PUT blob /orders?restype=container", "", ""}, call{"GET blob /orders/b", "", ""}, "ContainerBeingDeleted", 30 * time.Second},
	} {
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		checker := strict.New(strict.Config{Endpoints: emulator, Now: func() time.Time { return now }})
		one, other := checker.Over(&sink{}), checker.Over(&sink{})
		passes := func(c call, want int) {
			t.Helper()
			status, body, _ := do(t, other, c.request(t, emulator))
			if inner := strings.Contains(body, "HTTP/1.1 409"); status != want && (want != http.StatusConflict || !inner) {
				t.Errorf("%s got %d %s, want %d", c.line, status, body, want)
			}
			if want == http.StatusConflict && !strings.Contains(body, test.code) {
				t.Errorf("%s got %s, want %s", c.line, body, test.code)
			}
		}
		passes(test.create, http.StatusNoContent)
		do(t, one, test.remove.request(t, emulator))
		passes(test.create, http.StatusConflict)
		passes(test.use, http.StatusConflict)
		passes(test.remove, http.StatusNoContent) // for the emulator to say that it finds nothing
		now = now.Add(test.hold)
		passes(test.create, http.StatusNoContent)
		passes(test.use, http.StatusNoContent)
		if v := checker.Violations(); len(v) != 0 {
			t.Errorf("answers that clients must expect are recorded as violations: %v", v)
		}
	}
}

func TestNoNameIsTakenIfSoConfigured(t *testing.T) {
	checker := strict.New(strict.Config{Endpoints: emulator, Deleting: -1})
	for _, c := range []call{{"DELETE queue /orders", "", ""}, {"PUT queue /orders", "", ""}} {
		if status, _, _ := do(t, checker.Over(&sink{}), c.request(t, emulator)); status != http.StatusNoContent {
			t.Errorf("%s got %d", c.line, status)
		}
	}
}

func TestRequestsToOtherHostsPass(t *testing.T) {
	r, err := http.NewRequest(http.MethodPut, "http://elsewhere:1/x", bytes.NewReader([]byte("body")))
	if err != nil {
		t.Fatal(err)
	}
	checker := newChecker()
	if status, _, _ := do(t, checker.Over(&sink{}), r); status != http.StatusNoContent || len(checker.Violations()) != 0 {
		t.Errorf("got %d, %v", status, checker.Violations())
	}
}
