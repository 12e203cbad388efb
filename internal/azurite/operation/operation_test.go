package operation_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

var emulator = azurite.Endpoints{
	Blob:  "http://127.0.0.1:1001/devstoreaccount1",
	Queue: "http://127.0.0.1:1002/devstoreaccount1",
	Table: "http://127.0.0.1:1003/devstoreaccount1",
}

func request(t testing.TB, method, url, ifMatch string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
	}
	return r
}

func TestEveryOperationIsRecognised(t *testing.T) {
	for _, test := range []struct{ service, method, path, ifMatch, want string }{
		{"table", "POST", "/Tables", "", "Create Table"},
		{"table", "GET", "/Tables?$top=3", "", "Query Tables"},
		{"table", "DELETE", "/Tables('hub')", "", "Delete Table of hub"},
		{"table", "POST", "/$batch", "", "Entity Group Transaction"},
		{"table", "POST", "/hub", "", "Insert Entity of hub"},
		{"table", "GET", "/hub()?$filter=x", "", "Query Entities of hub"},
		{"table", "GET", "/hub", "", "Query Entities of hub"},
		{"table", "GET", "/hub(PartitionKey='a',RowKey='b')", "", `Get Entity of hub ("a", "b")`},
		{"table", "PUT", "/hub(PartitionKey='a',RowKey='b')", "", `Insert Or Replace Entity of hub ("a", "b")`},
		{"table", "PUT", "/hub(PartitionKey='a',RowKey='b')", "*", `Update Entity of hub ("a", "b")`},
		{"table", "PATCH", "/hub(PartitionKey='a',RowKey='b')", "", `Insert Or Merge Entity of hub ("a", "b")`},
		{"table", "MERGE", "/hub(PartitionKey='a',RowKey='b')", "*", `Merge Entity of hub ("a", "b")`},
		{"table", "DELETE", "/hub(RowKey='b',PartitionKey='a')", "*", `Delete Entity of hub ("a", "b")`},
		{"table", "GET", "/hub(PartitionKey='it%27%27s',RowKey='%27%27,RowKey=%27%27')", "", `Get Entity of hub ("it's", "',RowKey='")`},
		{"table", "GET", "/hub(PartitionKey='a',RowKey='b'", "", "Unknown of hub/(PartitionKey='a',RowKey='b'"},
		{"table", "OPTIONS", "/hub", "", "Unknown of hub"},
		{"queue", "GET", "/?comp=list&prefix=a", "", "List Queues"},
		{"queue", "PUT", "/q", "", "Create Queue of q"},
		{"queue", "DELETE", "/q", "", "Delete Queue of q"},
		{"queue", "GET", "/q?comp=metadata", "", "Get Queue Metadata of q"},
		{"queue", "POST", "/q/messages?visibilitytimeout=3", "", "Put Message of q"},
		{"queue", "GET", "/q/messages?numofmessages=3", "", "Get Messages of q"},
		{"queue", "GET", "/q/messages?peekonly=true", "", "Peek Messages of q"},
		{"queue", "DELETE", "/q/messages", "", "Clear Messages of q"},
		{"queue", "PUT", "/q/messages/7?popreceipt=x&visibilitytimeout=3", "", "Update Message of q/7"},
		{"queue", "DELETE", "/q/messages/7?popreceipt=x", "", "Delete Message of q/7"},
		{"queue", "PUT", "/q?comp=acl", "", "Unknown of q"},
		{"blob", "GET", "/?comp=list", "", "List Containers"},
		{"blob", "PUT", "/c?restype=container", "", "Create Container of c"},
		{"blob", "DELETE", "/c?restype=container", "", "Delete Container of c"},
		{"blob", "GET", "/c?restype=container&comp=list", "", "List Blobs of c"},
		{"blob", "HEAD", "/c?restype=container", "", "Get Container Properties of c"},
		{"blob", "PUT", "/c/messages/7", "", "Put Blob of c/messages/7"},
		{"blob", "GET", "/c/b", "", "Get Blob of c/b"},
		{"blob", "HEAD", "/c/b", "", "Get Blob Properties of c/b"},
		{"blob", "DELETE", "/c/b", "", "Delete Blob of c/b"},
		{"blob", "PUT", "/c/b?comp=block&blockid=x", "", "Put Block of c/b"},
		{"blob", "PUT", "/c/b?comp=blocklist", "", "Put Block List of c/b"},
		{"blob", "PUT", "/c/b?comp=appendblock", "", "Append Block of c/b"},
		{"blob", "PUT", "/c/b?comp=lease", "", "Lease Blob of c/b"},
	} {
		local := map[string]string{"blob": emulator.Blob, "queue": emulator.Queue, "table": emulator.Table}[test.service]
		for _, base := range []string{local, "https://acc." + test.service + ".core.windows.net"} {
			r := request(t, test.method, base+test.path, test.ifMatch)
			got := operation.NewReader(emulator).Read(r)
			if got.String() != test.want || !strings.EqualFold(string(got.Service), test.service) {
				t.Errorf("%s %s is read as %s %q, want %q", test.method, r.URL, got.Service, got, test.want)
			}
		}
	}
}

func TestOtherHostsHaveNoOperations(t *testing.T) {
	got := operation.NewReader(emulator).Read(request(t, "GET", "http://127.0.0.1:1004/devstoreaccount1/Tables", ""))
	if got.Service != "" || got.Kind != operation.Unknown {
		t.Errorf("got %s of service %q", got, got.Service)
	}
}

func TestTheChangesOfATransactionAreRead(t *testing.T) {
	body := strings.ReplaceAll(`--batch_1
Content-Type: multipart/mixed; boundary=changeset_2

--changeset_2
Content-Type: application/http
Content-Transfer-Encoding: binary

POST http://elsewhere:9/devstoreaccount1/hub HTTP/1.1
Accept: application/json;odata=minimalmetadata
Content-Type: application/json

{"PartitionKey":"p","RowKey":"r"}
--changeset_2
Content-Type: application/http
Content-Transfer-Encoding: binary

MERGE http://elsewhere:9/devstoreaccount1/hub(PartitionKey='p',RowKey='a%20b') HTTP/1.1
If-Match: *

{"N":1}
--changeset_2
Content-Type: application/http
Content-Transfer-Encoding: binary

DELETE http://elsewhere:9/devstoreaccount1/hub(PartitionKey='p',RowKey='c') HTTP/1.1
If-Match: W/"x"


--changeset_2--
--batch_1--
`, "\n", "\r\n")
	r := request(t, "POST", emulator.Table+"/$batch", "")
	r.Header.Set("Content-Type", "multipart/mixed; boundary=batch_1")
	changes, err := operation.NewReader(emulator).Changes(r, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.String()+" "+c.Header.Get("If-Match")+" "+string(c.Body))
	}
	want := []string{
		`Insert Entity of hub  {"PartitionKey":"p","RowKey":"r"}`,
		`Merge Entity of hub ("p", "a b") * {"N":1}`,
		`Delete Entity of hub ("p", "c") W/"x" `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, broken := range []string{"", body[:200], strings.ReplaceAll(body, "HTTP/1.1", "HTTP"), strings.ReplaceAll(body, "multipart/mixed; boundary=changeset_2", "multipart/mixed")} {
		if changes, err := operation.NewReader(emulator).Changes(r, []byte(broken)); err == nil && len(changes) > 0 {
			t.Errorf("a broken body is read as %v", changes)
		}
	}
}

func TestHeadersAreFoundInAnyCase(t *testing.T) {
	r := request(t, "PUT", emulator.Table+"/hub(PartitionKey='a',RowKey='b')", "")
	r.Header["if-match"] = []string{"*"} // as the SDK writes some names
	if got := operation.NewReader(emulator).Read(r).Kind; got != operation.UpdateEntity {
		t.Errorf("read as %s", got)
	}
}

func FuzzAnyRequestIsRead(f *testing.F) {
	f.Add("GET", "/hub(PartitionKey='a',RowKey='b')")
	f.Add("PUT", "/q/messages/1")
	f.Fuzz(func(t *testing.T, method, path string) {
		for _, base := range []string{emulator.Blob, emulator.Queue, emulator.Table} {
			r, err := http.NewRequest(method, base+path, http.NoBody)
			if err != nil {
				return
			}
			if operation.NewReader(emulator).Read(r).Kind == "" {
				t.Errorf("%s %s has no kind", method, path)
			}
		}
	})
}
