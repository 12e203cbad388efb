package strict_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
)

// accepted are calls at the edge of what is allowed, to a table, and to a queue
// and a container of one name that exist. They may be made in the order of
// their names.
func accepted(e azurite.Endpoints, table, name string) map[string]call {
	t, n := "table /"+table, " /"+name
	merge := "Content-Type: application/json\nIf-Match: *"
	all := `"S":"` + strings.Repeat("x", 32<<10) + `","B@odata.type":"Edm.Binary","B":"` + base64.StdEncoding.EncodeToString(make([]byte, 64<<10)) +
		`","I":-5,"L@odata.type":"Edm.Int64","L":"3000000000","F":1.5,"X@odata.type":"Edm.Double","X":"NaN","T":true,"Nothing":null,` +
		`"D@odata.type":"Edm.DateTime","D":"1601-01-01T00:00:00Z","G@odata.type":"Edm.Guid","G":"c9da6455-213d-42c9-9a79-3e9149a57833","Ünder_1":"ü"`
	filter := func(f string) call { return call{"GET " + t + "()?$filter=" + f, "", ""} }
	return map[string]call{
		"a 100 operations":       inserts(e, table, 100),
		"b all types":            {"POST " + t, "", entity("p", "types", all)},
		"c 252 properties":       {"POST " + t, "", entity("p", "many", properties(252))},
		"d almost 1 MiB":         {"POST " + t, "", entity("p", "large", strings64(15))},
		"e long keys":            {"POST " + t, "", entity(strings.Repeat("k", 256), strings.Repeat("r", 256), "")},
		"f odd keys":             {"POST " + t, "", entity("it's", "a=b,c(d)~%20 é", "")},
		"g odd keys again":       {"GET " + t + "(PartitionKey='it%27%27s',RowKey='a%3Db%2Cc(d)~%2520%20%C3%A9')", "", ""},
		"h merge":                {"PATCH " + t + "(PartitionKey='p',RowKey='many')", merge, `{"P1":7}`},
		"i upsert":               {"PUT " + t + "(PartitionKey='p',RowKey='new')", "", `{"P1":7}`},
		"j delete":               {"DELETE " + t + "(PartitionKey='p',RowKey='new')", "If-Match: *", ""},
		"k different operations": batch(e, [2]string{"POST /" + table, entity("p", "s", "")}, [2]string{"DELETE /" + table + "(PartitionKey='p',RowKey='types')", ""}),
		"l no filter":            {"GET " + t + "()?$top=1000", "", ""},
		"m range":                filter("PartitionKey+eq+'p'+and+RowKey+ge+'a'+and+RowKey+lt+'b'"),
		"n quotes":               filter("(RowKey+eq+'it''s+(+eq+1')+or+not+(I+lt+-5)"),
		"o literals":             filter("L+ge+3000000000L+and+T+eq+true+and+D+gt+datetime'2020-01-01T00:00:00Z'"),
		"p 15 comparisons":       filter("I+eq+1" + strings.Repeat("+or+I+eq+1", 14)),
		"q message":              {"POST queue" + n + "/messages?visibilitytimeout=0&messagettl=-1", "", message(strings.Repeat("x", 64<<10))},
		"r hidden message":       {"POST queue" + n + "/messages?visibilitytimeout=604800&messagettl=-1", "", message("x")},
		"s peek":                 {"GET queue" + n + "/messages?peekonly=true&numofmessages=32", "", ""},
		"t get":                  {"GET queue" + n + "/messages?visibilitytimeout=604800&numofmessages=32", "", ""},
		"u clear":                {"DELETE queue" + n + "/messages", "", ""},
		"v list":                 {"GET queue /?comp=list&prefix=" + name, "", ""},
		"w blob":                 {"PUT blob" + n + "/a/b.c", "x-ms-blob-type: BlockBlob\nx-ms-meta-a_b: 1\nIf-None-Match: *", "x"},
		"x lease":                {"PUT blob" + n + "/a/b.c?comp=lease", "x-ms-lease-action: acquire\nx-ms-lease-duration: 15", ""},
		"y blobs":                {"GET blob" + n + "?restype=container&comp=list", "", ""},
	}
}

// TestAzuriteSeesWhatPasses shows that requests pass unharmed: the emulator, the
// judge of what strict does not look at, accepts each of them.
func TestAzuriteSeesWhatPasses(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	checker := azuritetest.Strict(t, e)
	network := &http.Transport{}
	t.Cleanup(network.CloseIdleConnections)
	client := azuritetest.Signed(checker.Over(network), e)
	table, name := azuritetest.Name(), azuritetest.Name()
	send := func(what string, c call) {
		status, body, _ := do(t, client, c.request(t, e))
		if status >= http.StatusMultipleChoices || strings.Contains(body, "HTTP/1.1 4") {
			t.Errorf("%s: %s got %d %.500s", what, c.line, status, body)
		}
	}
	send("table", call{"POST table /Tables", "", fmt.Sprintf(`{"TableName":%q}`, table)})
	send("queue", call{"PUT queue /" + name, "", ""})
	send("container", call{"PUT blob /" + name + "?restype=container", "", ""})
	calls := accepted(e, table, name)
	for _, what := range sortedKeys(calls) {
		send(what, calls[what])
	}
	send("no table", call{"DELETE table /Tables('" + table + "')", "", ""})
	send("no queue", call{"DELETE queue /" + name, "", ""})
	if status, body, _ := do(t, client, call{"PUT queue /" + name, "", ""}.request(t, e)); status != http.StatusConflict || !strings.Contains(body, "QueueBeingDeleted") {
		t.Errorf("a deleted queue was created anew: %d %s", status, body)
	}
}

// TestAzuriteAcceptsWhatIsRefused shows why strict is there. If it fails after an
// update of the emulator, that has learned a rule.
func TestAzuriteAcceptsWhatIsRefused(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	network := &http.Transport{}
	t.Cleanup(network.CloseIdleConnections)
	lax := azuritetest.Signed(network, e)
	table := azuritetest.Name()
	for _, c := range []call{
		{"POST table /Tables", "", fmt.Sprintf(`{"TableName":%q}`, table)},
		batch(e, [2]string{"POST /" + table, entity("p", "r", "")}, [2]string{"POST /" + table, entity("q", "s", "")}),
		{"POST table /" + table, "", entity("p", "many", properties(253))},
		{"POST table /" + table, "", entity("p", "large", strings64(17))},
		{"DELETE table /Tables('" + table + "')", "", ""},
		{"POST table /Tables", "", fmt.Sprintf(`{"TableName":%q}`, table)},
	} {
		if status, body, _ := do(t, lax, c.request(t, e)); status >= http.StatusMultipleChoices || strings.Contains(body, "HTTP/1.1 4") {
			t.Errorf("%s got %d %.500s", c.line, status, body)
		}
	}
}

func sortedKeys(calls map[string]call) []string {
	var keys []string
	for key := range calls {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
