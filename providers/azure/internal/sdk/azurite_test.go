package sdk

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// newTable makes a table on the account.
func newTable(t testing.TB, a *Account) string {
	t.Helper()
	name := azuritetest.Name()
	if err := a.CreateTable(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// newQueue makes a queue that goes with the test: messages that stay slow the
// server down for all others.
func newQueue(t testing.TB, a *Account) string {
	t.Helper()
	name := azuritetest.Name()
	if err := a.CreateQueue(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.DeleteQueue(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func put(key string, cells map[string][]byte) storage.Op {
	return storage.Op{Verb: storage.Put, Row: storage.Row{Key: key, Cells: cells}}
}

func TestALongCellSurvivesMergesAndSelections(t *testing.T) {
	a := onAzurite(t)
	table := newTable(t, a)
	long, longer := bytes.Repeat([]byte("\x01long"), 20_000), bytes.Repeat([]byte("\x02longer"), 50_000)
	for i, cell := range [][]byte{long, longer, []byte("short"), long, {}, longer} {
		op := storage.Op{Verb: storage.Merge, Row: storage.Row{Key: "k", Cells: map[string][]byte{"C": cell, "N": []byte(fmt.Sprint(i))}}}
		if i == 0 {
			op.Verb = storage.Insert
		}
		etags, err := a.Transact(t.Context(), table, "p", []storage.Op{op})
		if err != nil {
			t.Fatal(err)
		}
		row, err := a.Get(t.Context(), table, "p", "k")
		if err != nil || row.ETag != etags[0] || !bytes.Equal(row.Cells["C"], cell) || len(row.Cells) != 2 {
			t.Errorf("after merge %d: %d cells, %d bytes, %v", i, len(row.Cells), len(row.Cells["C"]), err)
		}
		for _, cells := range [][]string{nil, {"C"}, {"N", "C", "Absent"}} {
			page, err := a.Scan(t.Context(), table, "p", storage.Range{}, 0, cells)
			if err != nil || len(page.Rows) != 1 || !bytes.Equal(page.Rows[0].Cells["C"], cell) || page.Rows[0].ETag != etags[0] {
				t.Errorf("after merge %d, selecting %v: %.200v, %v", i, cells, page, err)
			}
		}
		page, err := a.Scan(t.Context(), table, "p", storage.Range{}, 0, []string{"N"})
		if err != nil || len(page.Rows[0].Cells) != 1 || string(page.Rows[0].Cells["N"]) != fmt.Sprint(i) {
			t.Errorf("after merge %d: %.200v, %v", i, page, err)
		}
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	a := onAzurite(t)
	table := newTable(t, a)
	var want []string
	for i := range 3 {
		var ops []storage.Op
		for j := range 100 {
			key := fmt.Sprintf("m:%d:%03d", i, j)
			ops, want = append(ops, put(key, map[string][]byte{"A": []byte(key)})), append(want, key)
		}
		if _, err := a.Transact(t.Context(), table, "p", ops); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Transact(t.Context(), table, "other", []storage.Op{put("m:1", nil)}); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 7, 100, 300} {
		var got []string
		for r := (storage.Range{From: "m:", To: "m;"}); ; {
			page, err := a.Scan(t.Context(), table, "p", r, limit, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				got = append(got, row.Key)
			}
			if r.From = page.Next; r.From == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("with pages of %d: %d rows, want %d", limit, len(got), len(want))
		}
	}
	page, err := a.Scan(t.Context(), table, "p", storage.Range{From: "m:1:050", To: after("m:1:052")}, 0, []string{"A"})
	if err != nil || len(page.Rows) != 3 || page.Next != "" {
		t.Errorf("a range to the end of a row gave %v, %v", page, err)
	}
}

func TestTheSDKsClientReadsOurRowsAndWeReadItsOwn(t *testing.T) {
	a := onAzurite(t)
	table := newTable(t, a)
	endpoint := azuritetest.Shared(t).Endpoints().Table
	key, err := aztables.NewSharedKeyCredential(azurite.AccountName, azurite.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	service, err := aztables.NewServiceClientWithSharedKey(endpoint, key, &aztables.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: &observer{next: pool(t), clock: newClock()}}})
	if err != nil {
		t.Fatal(err)
	}
	client := service.NewClient(table)
	etags, err := a.Transact(t.Context(), table, "p", []storage.Op{put("ours", map[string][]byte{"Text": []byte("say \"é\"\n"), "Bytes": {0, 1}})})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := client.GetEntity(t.Context(), "p", "ours", nil)
	if err != nil {
		t.Fatal(err)
	}
	var e aztables.EDMEntity
	if err := json.Unmarshal(theirs.Value, &e); err != nil {
		t.Fatal(err)
	}
	if b, ok := e.Properties["Bytes"].(aztables.EDMBinary); !ok || !bytes.Equal(b, []byte{0, 1}) || e.Properties["Text"] != "say \"é\"\n" || string(theirs.ETag) != etags[0] {
		t.Errorf("the SDK reads %s", theirs.Value)
	}
	text, err := json.Marshal(aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: "p", RowKey: "theirs"}, Properties: map[string]any{"Text": "x", "Bytes": aztables.EDMBinary{9}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AddEntity(t.Context(), text, nil); err != nil {
		t.Fatal(err)
	}
	row, err := a.Get(t.Context(), table, "p", "theirs")
	if err != nil || string(row.Cells["Text"]) != "x" || !bytes.Equal(row.Cells["Bytes"], []byte{9}) || len(row.Cells) != 2 {
		t.Errorf("we read %v, %v", row, err)
	}
}

// pool is a transport that ends with the test.
func pool(t testing.TB) http.RoundTripper {
	t.Helper()
	p := newPool()
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func TestBodiesOfMessagesComeBackByteForByte(t *testing.T) {
	a := onAzurite(t)
	queue := newQueue(t, a)
	for _, body := range [][]byte{
		{}, []byte("x"), []byte("AAAA"), []byte(`{"a":1}`), []byte(`[1,"é"]`), []byte("{not json"), []byte("{\"a\":\n1}"), []byte(`{"a":"<&>"}`), {0, 1, 255},
		bytes.Repeat([]byte("x"), 48<<10), []byte(`"` + strings.Repeat("x", 100) + `"`), []byte("[\"\xff\"]"),
	} {
		if err := a.Enqueue(t.Context(), queue, body, 0); err != nil {
			t.Fatal(err)
		}
		taken, err := a.Take(t.Context(), queue, 1, time.Minute)
		if err != nil || len(taken) != 1 || !bytes.Equal(taken[0].Body, body) || taken[0].Taken != 1 {
			t.Fatalf("%.50q came back as %.200v, %v", body, taken, err)
		}
		if time.Since(taken[0].Inserted).Abs() > time.Minute {
			t.Errorf("the message was put at %v", taken[0].Inserted)
		}
		receipt, err := a.Extend(t.Context(), queue, storage.Message{ID: taken[0].ID, Receipt: taken[0].Receipt}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := a.Take(t.Context(), queue, 1, time.Minute)
		if err != nil || len(again) != 1 || !bytes.Equal(again[0].Body, body) || again[0].Taken != 2 || receipt == taken[0].Receipt {
			t.Fatalf("%.50q came back after an extension as %.200v, %v", body, again, err)
		}
		if err := a.Remove(t.Context(), queue, again[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Enqueue(t.Context(), queue, make([]byte, 48<<10+1), 0); !storage.Is(err, storage.TooLarge) {
		t.Errorf("a body of more than 64 KiB as encoded: %v", err)
	}
}

// Owners rely on it: what is hidden is there.
func TestMessagesAreCountedWhileTheyAreHidden(t *testing.T) {
	a := onAzurite(t)
	queue := newQueue(t, a)
	if n, err := a.Count(t.Context(), queue); err != nil || n != 0 {
		t.Errorf("an empty queue has %d messages, %v", n, err)
	}
	for range 2 {
		if err := a.Enqueue(t.Context(), queue, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := a.Take(t.Context(), queue, 1, time.Minute)
	if err != nil || len(taken) != 1 {
		t.Fatalf("took %v, %v", taken, err)
	}
	if n, err := a.Count(t.Context(), queue); err != nil || n < 2 {
		t.Errorf("a queue with two messages, one of them hidden, has %d, %v", n, err)
	}
	if _, err := a.Count(t.Context(), queue+"-no"); !errors.Is(err, storage.ErrGone) {
		t.Errorf("counting what is not there: %v", err)
	}
}

func TestBlobsComeBackByteForByte(t *testing.T) {
	a := onAzurite(t)
	container := azuritetest.Name()
	if err := a.CreateContainer(t.Context(), container); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, data := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte{0, 255}, 3<<20)} {
		name := fmt.Sprintf("payload/i~20%d/a b+c", i)
		names = append(names, name)
		if err := a.PutBlob(t.Context(), container, name, data); err != nil {
			t.Fatal(err)
		}
		if err := a.PutBlob(t.Context(), container, name, []byte("other")); !storage.Is(err, storage.Exists) {
			t.Errorf("putting it again: %v", err)
		}
		if got, err := a.GetBlob(t.Context(), container, name); err != nil || got == nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d, %v", len(data), len(got), err)
		}
	}
	page, err := a.ListBlobs(t.Context(), container, "payload/", "")
	var listed []string
	for _, b := range page.Blobs {
		listed = append(listed, b.Name)
	}
	if err != nil || !slices.Equal(listed, names) || page.Blobs[2].Size != 6<<20 || time.Since(page.Blobs[0].Modified).Abs() > time.Minute {
		t.Errorf("listed %v, %v", page, err)
	}
}

// everything does one call of each service.
func everything(ctx context.Context, a *Account, name string) error {
	errs := []error{a.CreateTable(ctx, name), a.CreateQueue(ctx, name), a.CreateContainer(ctx, name)}
	_, err := a.Transact(ctx, name, "p", []storage.Op{put("k", map[string][]byte{"A": []byte("x")}), put("l:1", nil)})
	errs = append(errs, err)
	_, err = a.Get(ctx, name, "p", "k")
	errs = append(errs, err)
	_, err = a.Scan(ctx, name, "p", storage.Range{}, 0, nil)
	errs = append(errs, err, a.Enqueue(ctx, name, []byte("x"), 0))
	_, err = a.Take(ctx, name, 1, time.Second)
	errs = append(errs, err, a.PutBlob(ctx, name, "b", []byte("x")))
	_, err = a.GetBlob(ctx, name, "b")
	errs = append(errs, err)
	_, err = a.Count(ctx, name)
	errs = append(errs, err)
	_, err = a.Queues(ctx, name)
	return errors.Join(append(errs, err, a.DeleteQueue(ctx, name), a.DeleteTable(ctx, name), a.DeleteContainer(ctx, name))...)
}

// fakeTokens is a credential whose tokens Azurite takes.
type fakeTokens struct{}

func (fakeTokens) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if !slices.Equal(options.Scopes, []string{tokenScope}) {
		return azcore.AccessToken{}, fmt.Errorf("asked for %v", options.Scopes)
	}
	now := time.Now()
	return azcore.AccessToken{Token: azurite.FakeToken(now.Add(-time.Minute), now.Add(time.Hour)), ExpiresOn: now.Add(time.Hour)}, nil
}

// accountSignature makes a shared access signature for all services, which each
// module of the SDK makes for its own alone.
func accountSignature(t testing.TB) string {
	t.Helper()
	const permissions, services, types, version = "rwdlacup", "bqt", "sco", "2021-12-02"
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	key, err := base64.StdEncoding.DecodeString(azurite.AccountKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n\n%s\n\nhttps\n%s\n\n", azurite.AccountName, permissions, services, types, until, version)
	return url.Values{
		"sv": {version}, "ss": {services}, "srt": {types}, "sp": {permissions}, "se": {until}, "spr": {"https"},
		"sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}.Encode()
}

func TestTokensKeysAndSignaturesOpenAnAccountOverHTTPS(t *testing.T) {
	server := azuritetest.Start(t, azurite.Config{HTTPS: true})
	transport := newPool()
	transport.TLSClientConfig = server.TLS()
	t.Cleanup(transport.CloseIdleConnections)
	at := server.Endpoints()
	endpoints := "BlobEndpoint=" + at.Blob + ";QueueEndpoint=" + at.Queue + ";TableEndpoint=" + at.Table

	for name, cfg := range map[string]Config{
		"a token":     {Account: endpoints, Credential: fakeTokens{}},
		"a key":       {Account: server.ConnectionString()},
		"a signature": {Account: endpoints + ";SharedAccessSignature=" + accountSignature(t)},
	} {
		cfg.Transport = transport
		a, err := Open(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := everything(t.Context(), a, azuritetest.Name()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	identity := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":"x","token_type":"Bearer"}`, azurite.FakeToken(now.Add(-time.Minute), now.Add(time.Hour)), now.Add(time.Hour).Unix())
	}))
	defer identity.Close()
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	t.Setenv("IDENTITY_ENDPOINT", identity.URL)
	t.Setenv("IDENTITY_HEADER", "x")
	a, err := Open(Config{Account: endpoints, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if err := everything(t.Context(), a, azuritetest.Name()); err != nil {
		t.Errorf("the default credential: %v", err)
	}
	for name, cfg := range map[string]Config{
		"a wrong token": {Account: endpoints, Credential: staticToken("e30.e30.e30")},
		"a wrong key":   {Account: endpoints + ";AccountName=devstoreaccount1;AccountKey=" + testKey},
	} {
		cfg.Transport = transport
		a, err := Open(cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err = everything(t.Context(), a, azuritetest.Name())
		if errs, ok := err.(interface{ Unwrap() []error }); !ok || slices.ContainsFunc(errs.Unwrap(), func(err error) bool { return !errors.Is(err, storage.ErrDenied) }) {
			t.Errorf("%s: %v, want all to be denied", name, err)
		}
	}
}
