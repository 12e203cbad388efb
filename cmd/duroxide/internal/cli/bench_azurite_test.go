package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/bench"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/azurite"
)

func TestABenchOnAzureStorageCountsItsTransactions(t *testing.T) {
	startsAzurite(t)
	withProcesses(t)
	for _, client := range []string{"in-process", "separate"} {
		t.Run(client, func(t *testing.T) {
			code, stdout, stderr := run(t, "bench", "--store", "azurite", "--instances", "20", "--client", client, "--timeout", "3m", "-o", "json")
			if code != ExitOK {
				t.Fatalf("exit code %d:\n%s", code, stderr)
			}
			var r bench.Report
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatal(err)
			}
			o, e := r.StorageOperations, r.Entities
			if r.Store != "azurite" || r.Instances != 20 || e == nil {
				t.Fatalf("a report of something else:\n%s", stdout)
			}
			groups := o.ByName["Table: Entity Group Transaction"]
			if groups < 20 || o.Total < groups || o.Table < groups || o.Total != o.Table+o.Queue+o.Blob { // a start is one each
				t.Errorf("transactions that cannot be:\n%s", stdout)
			}
			if e.RowsPerOrchestration < 5 || e.RowsPerOrchestration > 60 || e.RowsPerGroup <= 0 || e.RawGroupMillis <= 0 ||
				r.RawLimit.PerSecond <= 0 || r.RatioToRawLimit <= 0 || e.DTFTransactions != 54 || e.TimesDTF <= 0 {
				t.Errorf("figures that cannot be:\n%s", stdout)
			}
			if r.Replays != 0 {
				t.Errorf("%d replays in a steady state", r.Replays)
			}
		})
	}
}

func TestAHubInAnAccountIsAudited(t *testing.T) {
	startsAzurite(t)
	server, err := azurite.Start(t.Context(), azurite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv(stores.AccountVariable, server.ConnectionString())
	if code, _, stderr := run(t, "bench", "--store", "azure:", "--hub", "shop", "--instances", "8"); code != ExitOK {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	code, stdout, stderr := run(t, "hub", "verify", "--store", "azure:", "--hub", "shop", "--complete")
	if code != ExitOK || !strings.Contains(stdout, "the audit passed") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = run(t, "hub", "verify", "--store", "azure:", "--hub", "other")
	if code != ExitError || !strings.Contains(stderr, "no hub of that name") {
		t.Errorf("a hub that does not exist: exit code %d: %s", code, stderr)
	}
}
