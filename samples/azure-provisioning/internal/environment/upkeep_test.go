package environment_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
)

// watching makes alpha and watches over it.
func watching(w *world, client *core.Client, rounds int) *orchestration.Handle[orchestration.None] {
	w.t.Helper()
	provision(w, client, "alpha", spec())
	h, err := environment.Watch.Start(w.ctx, client, environment.WatchSpec{Plan: plan("alpha"), Every: time.Minute, Rounds: rounds}, orchestration.StartOptions{ID: "watch"})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// drifts waits for a number of rounds, and tells what was seen.
func drifts(w *world, client *core.Client, rounds int) (seen environment.Drifts) {
	w.t.Helper()
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for seen.Rounds < rounds {
		var err error
		if seen, err = environment.Drifted.Read(w.ctx, client, "watch"); err != nil && !errors.Is(err, provider.ErrNotFound) {
			w.t.Fatal(err)
		}
		<-every.C
	}
	return seen
}

// template is that of the app, with one thing changed.
func template(image string, cpu float64, replicas int) map[string]any {
	return map[string]any{"template": map[string]any{
		"containers": []any{map[string]any{"name": "app", "image": image, "resources": map[string]any{"cpu": cpu, "memory": "0.5Gi"}}},
		"scale":      map[string]any{"minReplicas": 0, "maxReplicas": replicas},
	}}
}

// ingress is a configuration of the app.
func ingress(external bool, port int) map[string]any {
	return map[string]any{"configuration": map[string]any{"ingress": map[string]any{"external": external, "targetPort": port}}}
}

// subnets are those of the network; one of them, and what it is delegated to.
func subnets(name, prefix, delegated string) map[string]any {
	return map[string]any{"subnets": []any{map[string]any{"name": name, "properties": map[string]any{
		"addressPrefix": prefix, "delegations": []any{map[string]any{"name": "x", "properties": map[string]any{"serviceName": delegated}}},
	}}}}
}

func TestEveryDriftIsRepairedAndNothingElseTouched(t *testing.T) {
	const delegation = "Microsoft.App/environments"
	network, storage, appEnv, app := plan("alpha").Network(), plan("alpha").Storage(), plan("alpha").AppEnv(), plan("alpha").App()
	for name, c := range map[string]struct {
		resource environment.Resource
		change   map[string]any // nil removes it
		repairs  int
	}{
		"nothing":                {plan("alpha").Group(), map[string]any{}, 0},
		"storage is opened":      {storage, map[string]any{"allowBlobPublicAccess": true}, 1},
		"storage costs more":     {storage, map[string]any{"sku": map[string]any{"name": "Premium_LRS"}}, 1},
		"storage is of old":      {storage, map[string]any{"kind": "Storage"}, 1},
		"the network moves":      {network, map[string]any{"addressSpace": map[string]any{"addressPrefixes": []any{"10.9.0.0/16"}}}, 1},
		"no subnet":              {network, map[string]any{"subnets": []any{}}, 1},
		"another subnet":         {network, subnets("other", "10.0.0.0/23", delegation), 1},
		"the subnet shrinks":     {network, subnets("apps", "10.0.0.0/24", delegation), 1},
		"another delegation":     {network, subnets("apps", "10.0.0.0/23", "Microsoft.Web/serverFarms"), 1},
		"the subnet as it was":   {network, subnets("apps", "10.0.0.0/23", delegation), 0},
		"no workload profile":    {appEnv, map[string]any{"workloadProfiles": []any{}}, 1},
		"out of the network":     {appEnv, map[string]any{"vnetConfiguration": nil}, 1},
		"another image":          {app, template("evil", 0.25, 1), 1},
		"a larger container":     {app, template(environment.DefaultImage, 2, 1), 1},
		"thirty replicas":        {app, template(environment.DefaultImage, 0.25, 30), 1},
		"the template as it was": {app, template(environment.DefaultImage, 0.25, 1), 0},
		"no ingress":             {app, map[string]any{"configuration": map[string]any{}}, 1},
		"internal only":          {app, ingress(false, 80), 1},
		"another port":           {app, ingress(true, 8080), 1},
		"the ingress as it was":  {app, ingress(true, 80), 0},
		"another profile":        {app, map[string]any{"workloadProfileName": "D4"}, 1},
		"the app's identity":     {app, map[string]any{"identity": map[string]any{"type": "None"}}, 1},
		"the app is gone":        {app, nil, 1},
		"the role is gone":       {plan("alpha").Role(""), nil, 1},
		"an unknown setting":     {storage, map[string]any{"somethingNew": "of Azure's own"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
				watching(w, client, 20)
				before := w.cloud.Ledger()
				if !w.cloud.Change(c.resource.ID, c.change) {
					t.Fatal("there is nothing to change")
				}
				seen := drifts(w, client, 3)
				if seen.Repairs != c.repairs || (c.repairs == 1 && !strings.HasPrefix(seen.Last[0], c.resource.String())) {
					t.Errorf("the watch saw %+v", seen)
				}
				after := w.cloud.Ledger()
				writes := after.Count(emulator.Created, "") + after.Count(emulator.Updated, "") - before.Count(emulator.Created, "") - before.Count(emulator.Updated, "")
				if writes != c.repairs {
					t.Errorf("%d writes for %d repairs", writes, c.repairs)
				}
				if len(w.cloud.Resources()) != len(plan("alpha").Resources()) {
					t.Errorf("there are now %+v", w.cloud.Resources())
				}
			})
		})
	}
}

func TestARoundGoesOnPastWhatFailsAndTellsIt(t *testing.T) {
	network, storage, identity := plan("alpha").Network(), plan("alpha").Storage(), plan("alpha").Identity()
	for name, c := range map[string]struct {
		fault   emulator.Fault
		changed map[string]map[string]any // by id
		failed  environment.Resource
		repairs int
	}{
		"one cannot be read": {emulator.Fault{Method: http.MethodGet, ID: network.ID, Status: http.StatusForbidden, Code: "AuthorizationFailed"},
			map[string]map[string]any{plan("alpha").Role("").ID: nil, storage.ID: {"allowBlobPublicAccess": true}}, network, 2},
		"one cannot be repaired": {emulator.Fault{Method: http.MethodPut, ID: storage.ID, Status: http.StatusForbidden, Code: "AuthorizationFailed"},
			map[string]map[string]any{plan("alpha").Role("").ID: nil, storage.ID: {"allowBlobPublicAccess": true}, network.ID: {"subnets": []any{}}}, storage, 2},
		"who gets the role is not known": {emulator.Fault{Method: http.MethodGet, ID: identity.ID, Status: http.StatusForbidden, Code: "AuthorizationFailed"},
			map[string]map[string]any{storage.ID: {"allowBlobPublicAccess": true}}, identity, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
				watching(w, client, 20)
				for id, properties := range c.changed {
					w.cloud.Change(id, properties)
				}
				c.fault.Times = 3
				w.cloud.Inject(c.fault)
				seen := drifts(w, client, 2)
				if seen.Repairs != c.repairs || seen.Failed == 0 || !strings.Contains(seen.LastError, c.failed.String()) || !strings.Contains(seen.LastError, "AuthorizationFailed") {
					t.Errorf("the watch saw %+v", seen)
				}
				healed := drifts(w, client, 6)
				if healed.Failed != 3 || healed.LastError != "" {
					t.Errorf("in the end the watch saw %+v", healed)
				}
				if len(w.cloud.Resources()) != len(plan("alpha").Resources()) {
					t.Errorf("there are now %+v", w.cloud.Resources())
				}
			})
		})
	}
}

func TestARepairedIdentityGetsItsRoleAgain(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		watching(w, client, 20)
		w.cloud.Change(plan("alpha").Group().ID, nil) // everything is gone
		if seen := drifts(w, client, 3); seen.Repairs != len(plan("alpha").Resources()) {
			t.Errorf("the watch saw %+v", seen)
		}
		if len(w.cloud.Resources()) != len(plan("alpha").Resources()) {
			t.Errorf("there are now %+v", w.cloud.Resources())
		}
	})
}

// Who cannot look does not know that all is well.
func TestAWatchSaysThatItCannotLook(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		watching(w, client, 20)
		storage := plan("alpha").Storage()
		w.cloud.Change(storage.ID, map[string]any{"minimumTlsVersion": "TLS1_0"})
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: storage.ID, Status: http.StatusServiceUnavailable, Code: "ServerBusy", Times: 2})
		if seen := drifts(w, client, 2); seen.Failed != 2 || seen.Repairs != 0 || !strings.Contains(seen.LastError, "it cannot be looked at: HTTP 503") {
			t.Errorf("while it cannot look: %+v", seen)
		}
		if seen := drifts(w, client, 3); seen.Failed != 2 || seen.Repairs != 1 || seen.LastError != "" {
			t.Errorf("when it can again: %+v", seen)
		}
	})
}

func TestARepairYieldsToWhoChangesTheSameResource(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		watching(w, client, 20)
		network := plan("alpha").Network()
		w.cloud.Change(network.ID, map[string]any{"addressSpace": map[string]any{"addressPrefixes": []any{"10.9.0.0/16"}}})
		var once sync.Once
		w.hear = func(_ *host, r *http.Request, served bool) {
			if r.Method != http.MethodPut || served {
				return
			}
			once.Do(func() { // between the look and the repair somebody is faster
				w.cloud.Change(network.ID, map[string]any{"addressSpace": map[string]any{"addressPrefixes": []any{"10.8.0.0/16"}}})
			})
		}
		drifts(w, client, 3)
		ledger := w.cloud.Ledger()
		if n := ledger.Count(emulator.Updated, network.ID); n != 1 { // the first PUT met another ETag: 412
			t.Errorf("the network was updated %d times", n)
		}
	})
}

func TestWhatGoesBetweenLookAndRepairIsMadeAnewAtOnce(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		watching(w, client, 20)
		network := plan("alpha").Network()
		w.cloud.Change(network.ID, map[string]any{"addressSpace": map[string]any{"addressPrefixes": []any{"10.9.0.0/16"}}})
		var once sync.Once
		puts := atomic.Int32{}
		w.hear = func(_ *host, r *http.Request, served bool) {
			if r.Method == http.MethodPut && !served {
				puts.Add(1)
				once.Do(func() { w.cloud.Change(network.ID, nil) })
			}
		}
		if seen := drifts(w, client, 1); seen.Repairs != 1 || seen.Failed != 0 || puts.Load() != 2 {
			t.Errorf("%+v, after %d PUTs", seen, puts.Load())
		}
	})
}

func TestAWatchGoesOnForEverAndEndsWhenCancelled(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		h := watching(w, client, 2)
		drifts(w, client, 9)
		status, err := h.Status(w.ctx)
		if err != nil || status.Execution < 5 {
			t.Errorf("it is in execution %+v, %v", status, err)
		}
		if err := h.Cancel(w.ctx, "enough"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait(w.ctx); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("it ended with %v", err)
		}
		w.exactly("alpha")
	})
}

func TestAWatchKeepsItsLastTenExecutions(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		h := watching(w, client, 1)
		drifts(w, client, 14)
		status, err := h.Status(w.ctx)
		if err != nil || status.Execution < 14 || status.Pruned != status.Execution-10 {
			t.Fatalf("it is %+v, %v", status, err)
		}
		for n := int64(1); n <= status.Execution; n++ {
			var failed error
			for _, err := range client.History(w.ctx, "watch", n) {
				failed = err
			}
			if gone := errors.Is(failed, provider.ErrNotFound); gone != (n <= status.Pruned) {
				t.Errorf("reading execution %d of %d: %v", n, status.Execution, failed)
			}
		}
	})
}

// kinds tells a group from what is in it, whose paths contain its own.
var kinds = map[environment.Kind]string{environment.Group: "microsoft.resources/resourcegroups"}

func TestWhatDependsOnWhatDoesNotGoStaysToo(t *testing.T) {
	p := plan("alpha")
	for name, c := range map[string]struct {
		locked environment.Resource
		stays  []environment.Resource
	}{
		"the app":             {p.App(), []environment.Resource{p.Group(), p.Network(), p.Identity(), p.AppEnv(), p.App()}},
		"the app environment": {p.AppEnv(), []environment.Resource{p.Group(), p.Network(), p.AppEnv()}},
		"the storage":         {p.Storage(), []environment.Resource{p.Group(), p.Storage()}},
		"the group":           {p.Group(), []environment.Resource{p.Group()}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
				provision(w, client, "alpha", spec())
				began := time.Now()
				w.hear = func(_ *host, r *http.Request, served bool) {
					if r.Method == http.MethodDelete && served && strings.EqualFold(r.URL.Path, c.locked.ID) {
						began = time.Now()
					}
				}
				w.cloud.Inject(emulator.Fault{Method: http.MethodDelete, ID: c.locked.ID, Kind: kinds[c.locked.Kind], Status: http.StatusForbidden, Code: "ScopeLocked"})
				if err := tearDown(w, client, "alpha"); code(err) != "ScopeLocked" || !strings.Contains(err.Error(), c.locked.String()) {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it went on for %v after the refusal", took)
				}
				var left, want []string
				for _, r := range w.cloud.Resources() {
					left = append(left, strings.ToLower(r.ID))
				}
				for _, r := range c.stays {
					want = append(want, strings.ToLower(r.ID))
				}
				slices.Sort(want)
				if !slices.Equal(left, want) {
					t.Errorf("left are %q, not %q", left, want)
				}
				var shown environment.Progress
				if err := client.CustomStatus(w.ctx, orchestration.InstanceID(fmt.Sprint("teardown-alpha", w.names)), &shown); err != nil {
					t.Fatal(err)
				}
				stays := 0
				for _, s := range shown.Steps {
					if s.State == "left" && s.Why != "" {
						stays++
					}
				}
				if stays != len(c.stays)-1 || shown.Phase == "removed" {
					t.Errorf("the status is %+v", shown)
				}
			})
		})
	}
}

func TestTheSweeperFindsWhatNoEnvironmentStandsBehind(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "lives", spec())
		provision(w, client, "purged", spec())
		if err := client.Purge(w.ctx, "purged"); err != nil {
			t.Fatal(err)
		}
		w.cloud.Inject(emulator.Fault{Method: http.MethodPut, ID: plan("failed").Storage().ID, Status: http.StatusForbidden, Code: "QuotaExceeded", Times: 1})
		if _, err := start(w, client, "failed", spec()).Wait(w.ctx); code(err) != "QuotaExceeded" {
			t.Fatal(err)
		}
		for name, owner := range map[string]string{plan("failed").Group().ID: hub, foreign: "other"} { // a late request; somebody else
			instance := map[string]string{hub: "failed", "other": "purged"}[owner]
			put(w, name, `{"location":"westeurope","tags":{"durable-hub":"`+owner+`","durable-instance":"`+instance+`"}}`)
		}
		purged, failed := strings.ToLower(plan("purged").Group().ID), strings.ToLower(plan("failed").Group().ID)
		for _, c := range []struct {
			spec             environment.SweepSpec
			groups           int
			orphans, unknown []string
			removed          int
		}{
			{environment.SweepSpec{}, 3, []string{failed, purged}, []string{purged}, 0},
			{environment.SweepSpec{Remove: true}, 3, []string{failed, purged}, []string{purged}, 1},
			{environment.SweepSpec{Remove: true}, 2, []string{purged}, []string{purged}, 0}, // it may be somebody's production
			{environment.SweepSpec{RemoveUnknown: true}, 2, []string{purged}, []string{purged}, 1},
			{environment.SweepSpec{Remove: true, RemoveUnknown: true}, 1, nil, nil, 0},
		} {
			c.spec.Each = spec()
			h, err := environment.Sweep.Start(w.ctx, client, c.spec, orchestration.StartOptions{ID: "sweep", Reuse: orchestration.ReuseFinal})
			if err != nil {
				t.Fatal(err)
			}
			s, err := h.Wait(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if s.Groups != c.groups || !sameIDs(s.Orphans, c.orphans) || !sameIDs(s.Unknown, c.unknown) || s.Removed != c.removed {
				t.Errorf("%+v: it found %+v", c.spec, s)
			}
		}
		left := slices.DeleteFunc(w.cloud.Resources(), func(r emulator.Resource) bool { return r.ID == foreign })
		if len(left) != len(plan("lives").Resources()) || len(w.cloud.Resources()) != len(left)+1 {
			t.Errorf("left is %+v", w.cloud.Resources())
		}
	})
}

// foreign is a group of another hub.
const foreign = "/subscriptions/" + subscription + "/resourcegroups/foreign"

func sameIDs(is, want []string) bool {
	is = slices.Clone(is)
	for i := range is {
		is[i] = strings.ToLower(is[i])
	}
	slices.Sort(is)
	return slices.Equal(is, slices.Sorted(slices.Values(want)))
}

func TestAFleetGoesOnPastFailuresAndKeepsToItsLimit(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		s := environment.FleetSpec{Each: spec(), Concurrent: 3, Remove: true, Names: []string{"a", "b", "c", "d", "e", "f", "g"}}
		w.cloud.Inject(emulator.Fault{Method: http.MethodPut, ID: plan("c").Storage().ID, Operation: &emulator.OperationFailure{Code: "QuotaExceeded"}})
		var mu sync.Mutex
		at, most := 0, 0
		w.hear = func(*host, *http.Request, bool) {
			mu.Lock()
			defer mu.Unlock()
			groups := 0
			for _, r := range w.cloud.Resources() {
				if strings.HasSuffix(r.Kind, "resourcegroups") {
					groups++
				}
			}
			at, most = groups, max(most, groups)
		}
		h, err := environment.Fleet.Start(w.ctx, client, s, orchestration.StartOptions{ID: "fleet"})
		if err != nil {
			t.Fatal(err)
		}
		report, err := h.Wait(w.ctx)
		if err != nil || report.Made != 6 || report.Failed != 1 || report.Failures[0].Name != "c" || !strings.Contains(report.Failures[0].Why, "QuotaExceeded") {
			t.Errorf("%+v, %v", report, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if most != 3 || at != 0 {
			t.Errorf("at most %d environments were there at a time, and %d in the end", most, at)
		}
		w.nothing()
	})
}

func TestACancelledFleetLeavesNothing(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		s := environment.FleetSpec{Each: spec(), Concurrent: 3, Names: []string{"a", "b", "c", "d"}}
		var heard atomic.Int64
		w.hear = func(*host, *http.Request, bool) {
			if heard.Add(1) == 40 {
				if err := client.Cancel(w.ctx, "fleet", "enough"); err != nil {
					t.Error(err)
				}
			}
		}
		h, err := environment.Fleet.Start(w.ctx, client, s, orchestration.StartOptions{ID: "fleet"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait(w.ctx); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("it ended with %v", err)
		}
		for _, name := range s.Names { // children are asked to cancel, and undo what they made
			_, _ = environment.Provision.Handle(client, orchestration.InstanceID(name)).Wait(w.ctx) // one that was never started is unknown
		}
		w.nothing()
	})
}
