package sdk

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// The benchmarks measure what this machine does for a request, without a
// service: a page, a transaction, and the same by the SDK's client.

// page is an answer to a query: rows of 1 KiB.
func page(rows int) string {
	var b strings.Builder
	b.WriteString(`{"odata.metadata":"https://name.table.core.windows.net/$metadata#t","value":[`)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		row := storage.Row{Key: fmt.Sprintf("m:%05d", i), Cells: map[string][]byte{"Messages": bytes.Repeat([]byte{1, 2, 3, 0}, 192), "Envelope": []byte(`{"from":"a","seq":17}`)}}
		text := appendRow(nil, "p", &row)
		b.WriteString(`{"odata.etag":"W/\"datetime'2026-11-27T23%3A59%3A28.5448073Z'\"","Timestamp@odata.type":"Edm.DateTime","Timestamp":"2026-11-27T23:59:28.5448073Z",`)
		b.Write(text[1:])
	}
	b.WriteString(`]}`)
	return b.String()
}

func batchOf(n int) (ops []storage.Op) {
	for i := range n {
		ops = append(ops, storage.Op{Verb: storage.Insert, Row: storage.Row{
			Key: fmt.Sprintf("m:%05d", i), Cells: map[string][]byte{"Messages": bytes.Repeat([]byte{1, 2, 3, 0}, 75)},
		}})
	}
	return ops
}

func appliedAll(n int) *script {
	etags := make([]string, n)
	for i := range etags {
		etags[i] = applied(`W/"datetime'2026-11-27T23%3A59%3A28.5448073Z'"`)
	}
	return &script{answer: func(r *http.Request) (*http.Response, error) { return batchAnswer(r, etags...), nil }}
}

func (s *script) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sent = s.mu.sent[:0]
}

func BenchmarkScan(b *testing.B) {
	text := page(1000)
	s := always(http.StatusOK, text)
	b.Run("ours", func(b *testing.B) {
		a := scripted(b, s, testString)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			s.forget()
			page, err := a.Scan(b.Context(), "t", "p", storage.Range{}, 0, nil)
			if err != nil || len(page.Rows) != 1000 {
				b.Fatal(len(page.Rows), err)
			}
		}
	})
	b.Run("aztables", func(b *testing.B) {
		client := theirClient(b, s)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			s.forget()
			page, err := client.NewListEntitiesPager(nil).NextPage(b.Context())
			if err != nil || len(page.Entities) != 1000 {
				b.Fatal(len(page.Entities), err)
			}
		}
	})
}

func BenchmarkTransact(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("ours/%d", n), func(b *testing.B) {
			s := appliedAll(n)
			a, ops := scripted(b, s, testString), batchOf(n)
			b.ReportAllocs()
			for b.Loop() {
				s.forget()
				if _, err := a.Transact(b.Context(), "t", "p", ops); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("aztables/%d", n), func(b *testing.B) {
			s := appliedAll(n)
			client := theirClient(b, s)
			ops := batchOf(n)
			b.ReportAllocs()
			for b.Loop() {
				s.forget()
				actions := make([]aztables.TransactionAction, n)
				for i := range ops {
					actions[i] = aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: appendRow(nil, "p", &ops[i].Row)}
				}
				if _, err := client.SubmitTransaction(b.Context(), actions, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func theirClient(b *testing.B, s *script) *aztables.Client {
	b.Helper()
	key, err := aztables.NewSharedKeyCredential("name", testKey)
	if err != nil {
		b.Fatal(err)
	}
	client, err := aztables.NewClientWithSharedKey("https://name.table.core.windows.net/t", key, &aztables.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &observer{next: s, clock: newClock()}, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return client
}
