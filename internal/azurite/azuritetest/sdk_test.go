package azuritetest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// token is a credential that needs nobody.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	return azcore.AccessToken{Token: azurite.FakeToken(now.Add(-time.Minute), now.Add(time.Hour)), ExpiresOn: now.Add(time.Hour)}, nil
}

// options are those of clients that send once, through the transport.
func options(transport http.RoundTripper) policy.ClientOptions {
	return policy.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Retry:     policy.RetryOptions{MaxRetries: -1, TryTimeout: 30 * time.Second},
	}
}

func network(t *testing.T, cfg *tls.Config) *http.Transport {
	n := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(n.CloseIdleConnections)
	return n
}

func add(t *testing.T, partition, row string) aztables.TransactionAction {
	t.Helper()
	text, err := json.Marshal(aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: partition, RowKey: row}, Properties: map[string]any{"N": aztables.EDMInt64(7)}})
	if err != nil {
		t.Fatal(err)
	}
	return aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: text}
}

func TestTheClientsOfTheSDKWorkCheckedAndCounted(t *testing.T) {
	s := azuritetest.Shared(t)
	checker := azuritetest.Strict(t, s.Endpoints())
	counter := tally.New(checker.Over(network(t, nil)), s.Endpoints())
	ctx, name := t.Context(), azuritetest.Name()

	tables, err := aztables.NewServiceClientFromConnectionString(s.ConnectionString(), &aztables.ClientOptions{ClientOptions: options(counter)})
	if err != nil {
		t.Fatal(err)
	}
	table := tables.NewClient(name)
	_, err = table.CreateTable(ctx, nil)
	must(t, err)
	_, err = table.SubmitTransaction(ctx, []aztables.TransactionAction{add(t, "p", "a b~c%"), add(t, "p", "s")}, nil)
	must(t, err)
	_, err = table.GetEntity(ctx, "p", "a b~c%", nil)
	must(t, err)

	_, err = table.SubmitTransaction(ctx, []aztables.TransactionAction{add(t, "p", "t"), add(t, "q", "u")}, nil)
	failed, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || failed.StatusCode != http.StatusAccepted {
		t.Fatalf("a transaction on two partitions: %v", err)
	}
	text, err := io.ReadAll(failed.RawResponse.Body)
	must(t, err)
	if !strings.Contains(string(text), "HTTP/1.1 400 ") || !strings.Contains(string(text), `"1:All commands`) {
		t.Errorf("the answer to a transaction on two partitions is\n%s", text)
	}
	if v := checker.Forgive(); len(v) != 1 || v[0].Rule != "one partition" {
		t.Errorf("recorded %v", v)
	}

	queue, err := azqueue.NewQueueClientFromConnectionString(s.ConnectionString(), name, &azqueue.ClientOptions{ClientOptions: options(counter)})
	must(t, err)
	_, err = queue.Create(ctx, nil)
	must(t, err)
	_, err = queue.EnqueueMessage(ctx, "hello", nil)
	must(t, err)
	got, err := queue.DequeueMessage(ctx, nil)
	must(t, err)
	_, err = queue.DeleteMessage(ctx, *got.Messages[0].MessageID, *got.Messages[0].PopReceipt, nil)
	must(t, err)
	_, err = queue.Delete(ctx, nil)
	must(t, err)

	blobs, err := azblob.NewClientFromConnectionString(s.ConnectionString(), &azblob.ClientOptions{ClientOptions: options(counter)})
	must(t, err)
	_, err = blobs.CreateContainer(ctx, name, nil)
	must(t, err)
	_, err = blobs.UploadBuffer(ctx, name, "a/b c", []byte("hello"), nil)
	must(t, err)

	for kind, want := range map[operation.Kind]int{
		operation.CreateTable: 1, operation.EntityGroupTransaction: 2, operation.GetEntity: 1,
		operation.CreateQueue: 1, operation.PutMessage: 1, operation.GetMessages: 1, operation.DeleteMessage: 1, operation.DeleteQueue: 1,
		operation.CreateContainer: 1, operation.PutBlob: 1, operation.Unknown: 0,
	} {
		if got := counter.Total().Of("", kind).Billed; got != want {
			t.Errorf("%s was counted %d times, want %d", kind, got, want)
		}
	}
	if n := counter.Total().Of("").Requests(); n != 11 {
		t.Errorf("%d requests, want 11:\n%s", n, counter.Total())
	}
}

func TestTokensOfTheSDKWorkOverHTTPS(t *testing.T) {
	s := azuritetest.Start(t, azurite.Config{HTTPS: true})
	checker := azuritetest.Strict(t, s.Endpoints())
	o := options(checker.Over(network(t, s.TLS())))
	ctx, name := t.Context(), azuritetest.Name()

	tables, err := aztables.NewServiceClient(s.Endpoints().Table, token{}, &aztables.ClientOptions{ClientOptions: o})
	must(t, err)
	_, err = tables.CreateTable(ctx, name, nil)
	must(t, err)
	_, err = tables.NewClient(name).SubmitTransaction(ctx, []aztables.TransactionAction{add(t, "p", "r")}, nil)
	must(t, err)
	queues, err := azqueue.NewServiceClient(s.Endpoints().Queue, token{}, &azqueue.ClientOptions{ClientOptions: o})
	must(t, err)
	_, err = queues.CreateQueue(ctx, name, nil)
	must(t, err)
	blobs, err := azblob.NewClient(s.Endpoints().Blob, token{}, &azblob.ClientOptions{ClientOptions: o})
	must(t, err)
	_, err = blobs.CreateContainer(ctx, name, nil)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
