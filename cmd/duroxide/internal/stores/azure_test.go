package stores

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnotherProcessFindsTheEmulator(t *testing.T) {
	at := azurite.Endpoints{Blob: "http://127.0.0.1:1/devstoreaccount1", Queue: "http://127.0.0.1:2/devstoreaccount1", Table: "http://127.0.0.1:3/devstoreaccount1"}
	ref := Ref{Kind: Azurite, Hub: "shop"}.At(at)
	if args := strings.Join(ref.Args(), " "); args != "--store azurite --hub shop" {
		t.Errorf("arguments %q", args)
	}
	for _, e := range ref.Environment() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	child, err := Parse("azurite", "shop")
	if err != nil {
		t.Fatal(err)
	}
	again, stop, err := child.Start(t.Context())
	if err != nil || again.Endpoints() != at {
		t.Errorf("the child found %+v, %v", again.Endpoints(), err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAnEmulatorThatNobodyStartedIsAnError(t *testing.T) {
	if _, err := (Ref{Kind: Azurite}).OpenForReading(t.Context()); err == nil || !strings.Contains(err.Error(), AccountVariable) {
		t.Errorf("got %v", err)
	}
}

func TestAHubLivesAsLongAsItsEmulator(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Azurite, which takes some seconds: run without -short")
	}
	ref, stop, err := Ref{Kind: Azurite, Hub: "shop"}.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ref.OpenForReading(t.Context()); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("reading a hub that does not exist: %v", err)
	}
	s, err := ref.Open(t.Context(), Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if hub := s.(provider.Named).Hub(); hub != "shop" {
		t.Errorf("hub %q", hub)
	}
	if hosts, err := Hosts(t.Context(), s); err != nil || len(hosts) > 0 {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	read, err := ref.OpenForReading(t.Context())
	if err == nil {
		err = read.Close()
	}
	if err := errors.Join(err, s.Close(), ref.Remove(t.Context()), stop()); err != nil {
		t.Error(err)
	}
}
