package azurite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providertest"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// harness opens hubs for the suite.
func (p *place) harness() providertest.Harness {
	fresh := func(t testing.TB, change func(*azure.Config)) provider.Store {
		cfg := p.config(p.newHub())
		change(&cfg)
		return p.open(t, cfg)
	}
	again := func(t testing.TB, s provider.Store) provider.Store { return p.open(t, s.(*process).cfg) }
	return providertest.Harness{
		Open:     func(t testing.TB) provider.Store { return fresh(t, func(*azure.Config) {}) },
		Persists: providertest.Yes,
		Reopen: func(t testing.TB, s provider.Store) provider.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, s)
		},
		Crash: func(t testing.TB, s provider.Store) provider.Store {
			s.(*process).kill()
			p.declareDead(t, s.(*process))
			return again(t, s)
		},
		ManyHosts:     providertest.Yes,
		SharedClients: providertest.Yes,
		Attach:        again,
		OpenImpatient: func(t testing.TB) provider.Store {
			return fresh(t, func(cfg *azure.Config) { cfg.OrphanAfter = time.Millisecond })
		},
		OpenWithClock: func(t testing.TB, now func() time.Time) provider.Store {
			return fresh(t, func(cfg *azure.Config) { cfg.Now = now })
		},
		Corrupt: func(t testing.TB, s provider.Store, id history.InstanceID) { p.corrupt(t, s.(*process), id) },
	}
}

// table is the hub's, by the SDK's own client; nil if the account did not come
// as a connection string.
func (p *place) table(s *process) *aztables.Client {
	service, err := aztables.NewServiceClientFromConnectionString(p.account, &aztables.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: p.counter}},
	})
	if err != nil {
		return nil
	}
	return service.NewClient(s.Hub())
}

// rows reads keys of rows.
func rows(t testing.TB, table *aztables.Client, filter string) (keys []aztables.Entity) {
	t.Helper()
	some := "PartitionKey,RowKey"
	for pages := table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Select: &some}); pages.More(); {
		page, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range page.Entities {
			var e aztables.Entity
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, e)
		}
	}
	return keys
}

// corrupt writes over the newest part of an instance's history, which stands in
// the row i:ID.
func (p *place) corrupt(t testing.TB, s *process, id history.InstanceID) {
	t.Helper()
	if !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(string(id)) {
		t.Fatalf("the key of %q is not known here", id)
	}
	table := p.table(s)
	if table == nil {
		t.Skip("damages a row, for which the account must be given as a connection string in DUROXIDE_AZURE_STORAGE")
	}
	found := rows(t, table, fmt.Sprintf("RowKey eq 'i:%s'", id))
	if len(found) != 1 {
		t.Fatalf("%q has %d rows", id, len(found))
	}
	damage, err := json.Marshal(aztables.EDMEntity{Entity: found[0], Properties: map[string]any{"Tail": `j{"format":1,"id":`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.UpdateEntity(t.Context(), damage, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge}); err != nil {
		t.Fatal(err)
	}
}

// declareDead removes the rows of the hub's hosts, as an operator may who knows
// that they are dead: then nobody waits for the TTL. The suite kills by the
// dozen; that the TTL does the same is shown by the host that is cut off.
func (p *place) declareDead(t testing.TB, s *process) {
	t.Helper()
	table := p.table(s)
	if table == nil {
		return
	}
	for _, host := range rows(t, table, "PartitionKey eq '~hub' and RowKey ge 'host:' and RowKey lt 'host;'") {
		_, err := table.DeleteEntity(context.WithoutCancel(t.Context()), host.PartitionKey, host.RowKey, nil)
		if answer, ok := errors.AsType[*azcore.ResponseError](err); err != nil && (!ok || answer.StatusCode != http.StatusNotFound) {
			t.Fatal(err)
		}
	}
}

func TestTheProviderConforms(t *testing.T) {
	t.Parallel()
	providertest.Run(t, newPlace(t).harness())
}

func TestTheProviderConformsUnderFaults(t *testing.T) {
	t.Parallel()
	providertest.RunUnderFaults(t, newPlace(t).harness())
}

// On two partitions instances of the workload start and signal each other across.
func TestTheProviderKeepsItsPromisesUnderStress(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	h := place.harness()
	h.Open = func(t testing.TB) provider.Store {
		cfg := place.config(place.newHub())
		cfg.Partitions = 2
		return place.open(t, cfg)
	}
	providertest.Stress(t, h, providertest.StressConfig{})
}
