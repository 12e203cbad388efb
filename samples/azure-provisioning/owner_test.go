package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/sqlite"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/story"
)

const subscription, location = "00000000-0000-0000-0000-000000000001", "westeurope"

// inStore calls do with a client of the store at path.
func inStore(t *testing.T, path string, do func(client *core.Client) error) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, sqlite.Config{Hub: host.Hub})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(core.NewClient(store, core.ClientConfig{})), store.Close()); err != nil {
		t.Fatal(err)
	}
}

// begun makes a store of a run that was killed when it had begun.
func begun(t *testing.T, path string) {
	t.Helper()
	inStore(t, path, func(client *core.Client) error {
		claim, err := host.Draw(t.Context(), client, subscription, location)
		if err != nil {
			return err
		}
		spec := environment.Spec{Subscription: subscription, Location: location, Hub: host.Hub, Pace: 20 * time.Millisecond}
		_, err = environment.Provision.Start(t.Context(), client, spec, orchestration.StartOptions{ID: orchestration.InstanceID(claim.Name)})
		return err
	})
}

// owned puts a resource group into the cloud, with an owner's tags.
func owned(t *testing.T, cloud *emulator.Server, id, instance string) {
	t.Helper()
	body := `{"location":"westeurope","tags":{"durable-hub":"` + host.Hub + `","durable-instance":"` + instance + `"}}`
	answer := httptest.NewRecorder()
	cloud.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPut, id, strings.NewReader(body)))
	if answer.Code >= http.StatusBadRequest {
		t.Fatal(answer.Code, answer.Body)
	}
}

func TestAnotherRunGoesOnWithOrRemovesWhatAKilledOneHasBegun(t *testing.T) {
	for name, tearDown := range map[string]bool{"goes on": false, "removes": true} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hub.db")
			begun(t, path)
			cloud, out := newCloud(), &screen{}
			if err := azure(t.Context(), t, cloud, "", out, true, tearDown, path); err != nil || !strings.Contains(out.String(), "all is removed") {
				t.Errorf("it ended with %v:\n%s", err, out.String())
			}
			if strings.Contains(out.String(), "an earlier run has begun it") == tearDown || len(cloud.Resources()) != 0 {
				t.Errorf("left is %+v:\n%s", cloud.Resources(), out.String())
			}
		})
	}
}

var groupName = regexp.MustCompile(`resource group +(rg-sample-\S+)`)

// waiting makes an environment from a store, and calls between once it waits for a
// yes, which it gets then. It is removed again.
func waiting(t *testing.T, cloud *emulator.Server, path string, between func(group string)) {
	t.Helper()
	t.Setenv(asProgram, "1")
	typed, answers := io.Pipe()
	asked := make(chan struct{})
	out := &screen{when: "may it stay?", call: func() { close(asked) }}
	cfg := azureConfig(t, cloud, path)
	cfg.In, cfg.Out = typed, out
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { ended <- story.Azure(ctx, cfg) }()
	answer := func() {
		if _, err := io.WriteString(answers, "yes\n"); err != nil {
			t.Error(err)
		}
	}
	answer()
	select {
	case <-asked:
		between(groupName.FindStringSubmatch(out.String())[1])
		answer()
		if err := <-ended; err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
	case err := <-ended:
		t.Errorf("%v\n%s", err, out.String())
	}
	_ = answers.Close()
}

func TestTwoStoresInOneSubscriptionLeaveEachOtherAlone(t *testing.T) {
	cloud, bob := newCloud(), filepath.Join(t.TempDir(), "bob.db")
	waiting(t, cloud, filepath.Join(t.TempDir(), "ann.db"), func(ann string) {
		for _, c := range []struct {
			yes, tearDown bool
			want          string
		}{
			{false, true, "left alone"}, // its store knows of nothing
			{true, true, "left alone"},  // and --yes is for what is one's own
			{true, false, "all is removed"},
			{true, true, "all is removed"},
		} {
			out := &screen{}
			err := azure(t.Context(), t, cloud, "no\n", out, c.yes, c.tearDown, bob)
			if text := out.String(); !strings.Contains(text, c.want) || !strings.Contains(text, ann) {
				t.Errorf("%+v: it ended with %v, and shows:\n%s", c, err, text)
			}
			if (err == nil) != strings.HasPrefix(c.want, "all") || len(cloud.Resources()) != 7 {
				t.Errorf("%+v: it ended with %v; of ann's 7 resources there are %d", c, err, len(cloud.Resources()))
			}
		}
	})
	if len(cloud.Resources()) != 0 {
		t.Errorf("left is %+v", cloud.Resources())
	}
}

func TestWhatALostStoreHasMadeIsRemovedAfterAYes(t *testing.T) {
	cloud, out := newCloud(), &screen{}
	waiting(t, cloud, filepath.Join(t.TempDir(), "lost.db"), func(group string) {
		err := azure(t.Context(), t, cloud, "yes\n", out, false, true, filepath.Join(t.TempDir(), "new.db"))
		if err != nil || len(cloud.Resources()) != 0 || !strings.Contains(out.String(), "May "+group+" go") {
			t.Errorf("it ended with %v, left is %+v:\n%s", err, cloud.Resources(), out.String())
		}
	})
}

func TestAGroupThatTheStoreDoesNotKnowIsRefused(t *testing.T) {
	cloud, path, copied := newCloud(), filepath.Join(t.TempDir(), "hub.db"), filepath.Join(t.TempDir(), "copy.db")
	if err := azure(t.Context(), t, cloud, "no\n", io.Discard, false, false, path); err == nil { // it is drawn whose things are
		t.Fatal("it was not confirmed")
	}
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	waiting(t, cloud, copied, func(group string) {
		err := azure(t.Context(), t, cloud, "", io.Discard, true, false, path)
		for _, want := range []string{group, "00000000-0000-0000-0000-000000000001", path, "--store sqlite:another.db", "--teardown"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it ended with %v, which does not name %s", err, want)
			}
		}
		if len(cloud.Resources()) != 7 {
			t.Errorf("there is %+v", cloud.Resources())
		}
	})
}

func TestAStoreIsForOnePlace(t *testing.T) {
	t.Setenv(asProgram, "1")
	cloud, path := newCloud(), filepath.Join(t.TempDir(), "hub.db")
	if err := azure(t.Context(), t, cloud, "", io.Discard, true, false, path); err != nil {
		t.Fatal(err)
	}
	for _, tearDown := range []bool{false, true} {
		cfg := azureConfig(t, cloud, path)
		cfg.Subscription, cfg.Out, cfg.Yes, cfg.TearDown = "00000000-0000-0000-0000-000000000002", io.Discard, true, tearDown
		if err := story.Azure(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "write --subscription 00000000-0000-0000-0000-000000000001") {
			t.Errorf("it ended with %v", err)
		}
	}
}

func TestThereIsNothingToRemove(t *testing.T) {
	out := &screen{}
	if err := azure(t.Context(), t, newCloud(), "", out, true, true, filepath.Join(t.TempDir(), "hub.db")); err != nil || !strings.Contains(out.String(), "nothing to remove") {
		t.Errorf("it ended with %v:\n%s", err, out.String())
	}
}

func TestANoToTheRemovalRemovesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	begun(t, path)
	err := azure(t.Context(), t, newCloud(), "no\n", io.Discard, false, true, path)
	if err == nil || !strings.Contains(err.Error(), "nothing was removed") || strings.Contains(err.Error(), "created") {
		t.Errorf("it ended with %v", err)
	}
}

// polled answers yes to one question, and no to others.
type polled struct {
	out *screen
	yes string
}

func (p polled) Read(b []byte) (int, error) {
	text := p.out.String()
	if strings.Contains(text[strings.LastIndex(text, "\n")+1:], p.yes) {
		return copy(b, "yes\n"), nil
	}
	return copy(b, "no\n"), nil
}

func TestAYesToACopyOfTagsRemovesNothing(t *testing.T) {
	const copied = "/subscriptions/" + subscription + "/resourcegroups/copied"
	cloud, out := newCloud(), &screen{}
	waiting(t, cloud, filepath.Join(t.TempDir(), "ann.db"), func(ann string) {
		owned(t, cloud, copied, ann[len("rg-"):strings.LastIndex(ann, "-")])
		cfg := azureConfig(t, cloud, filepath.Join(t.TempDir(), "bob.db"))
		cfg.In, cfg.Out, cfg.TearDown = polled{out, "May copied go"}, out, true
		err := story.Azure(t.Context(), cfg)
		if text := out.String(); err == nil || !strings.Contains(text, "copied") || !strings.Contains(text, "May "+ann+" go") {
			t.Errorf("it ended with %v:\n%s", err, text)
		}
		if len(cloud.Resources()) != 8 {
			t.Errorf("of 7 resources and a group there is %+v:\n%s", cloud.Resources(), out.String())
		}
	})
	if left := cloud.Resources(); len(left) != 1 || !strings.EqualFold(left[0].ID, copied) {
		t.Errorf("left is %+v", left)
	}
}

func TestWhatAnEndedEnvironmentHasLeftIsRemovedOrNamed(t *testing.T) {
	for name, locked := range map[string]bool{"removed": false, "named": true} {
		t.Run(name, func(t *testing.T) {
			cloud, out, path := newCloud(), &screen{}, filepath.Join(t.TempDir(), "hub.db")
			inStore(t, path, func(client *core.Client) error { // it fails at once: what is wanted is missing
				_, err := environment.Provision.Start(t.Context(), client, environment.Spec{}, orchestration.StartOptions{ID: "old"})
				return err
			})
			old := environment.Plan{Spec: environment.Spec{Subscription: subscription}, Owner: environment.Owner{Hub: host.Hub, Instance: "old"}}.Group()
			owned(t, cloud, old.ID, "old")
			left := 0
			if locked {
				left = 1
				cloud.Inject(emulator.Fault{Method: http.MethodDelete, ID: old.ID, Status: http.StatusForbidden, Code: "ScopeLocked"})
			}
			err := azure(t.Context(), t, cloud, "", out, true, false, path)
			if (err != nil) != locked || strings.Contains(out.String(), "all is removed") == locked || strings.Contains(out.String(), "NOT ALL IS REMOVED") != locked {
				t.Errorf("it ended with %v:\n%s", err, out.String())
			}
			if locked && (err == nil || !strings.Contains(err.Error(), old.Name()) || !strings.Contains(err.Error(), "ScopeLocked")) {
				t.Errorf("it ended with %v", err)
			}
			if len(cloud.Resources()) != left {
				t.Errorf("left is %+v", cloud.Resources())
			}
		})
	}
}

func TestAGroupThatIsMadeAgainAfterItsRemovalIsNotCalledRemoved(t *testing.T) {
	cloud, path := newCloud(), filepath.Join(t.TempDir(), "hub.db")
	again := func(shown string) { // a late request of a host that died
		group := groupName.FindStringSubmatch(shown)[1]
		owned(t, cloud, "/subscriptions/"+subscription+"/resourceGroups/"+group, group[len("rg-"):strings.LastIndex(group, "-")])
	}
	out := &screen{see: func(shown string) bool { return strings.Contains(shown, ": removed\n") }, then: again}
	err := azure(t.Context(), t, cloud, "", out, true, false, path)
	if err == nil || !strings.Contains(err.Error(), "rg-sample-") || strings.Contains(out.String(), "all is removed") || len(cloud.Resources()) != 1 {
		t.Errorf("it ended with %v, left is %+v:\n%s", err, cloud.Resources(), out.String())
	}
	out = &screen{}
	if err := azure(t.Context(), t, cloud, "", out, true, true, path); err != nil || !strings.Contains(out.String(), "all is removed") || len(cloud.Resources()) != 0 {
		t.Errorf("it ended with %v, left is %+v:\n%s", err, cloud.Resources(), out.String())
	}
}
