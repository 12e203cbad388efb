package stores

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
)

func TestAStoreIsWrittenAsItIsRead(t *testing.T) {
	for _, text := range []string{"memory", "sqlite:orders.db", "sqlite:a:b.db", "sqlite:/tmp/x y.db", "azurite", "azure:https://x.blob.core.windows.net", "azure:UseDevelopmentStorage=true"} {
		ref, err := Parse(text, "")
		if err != nil || ref.String() != text {
			t.Errorf("%q was read as %q, %v", text, ref, err)
		}
	}
}

func TestAnotherProcessGetsTheSameHub(t *testing.T) {
	ref, err := Parse("sqlite:orders.db", "shop")
	if err != nil {
		t.Fatal(err)
	}
	args := ref.Args()
	if got := strings.Join(args, " "); got != "--store sqlite:orders.db --hub shop" {
		t.Errorf("arguments %q", got)
	}
	if again, err := Parse(args[1], args[3]); err != nil || again != ref {
		t.Errorf("got %+v, %v", again, err)
	}
}

func TestWhatIsNoStoreIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "postgres:x": Grammar, "sqlite": "path", "sqlite:": "path", "memory:1": "nothing after",
		"azurite:1": "nothing after", "azure": AccountVariable, "azure:": AccountVariable,
		"azure:AccountName=x;AccountKey=c2VjcmV0": AccountVariable, "azure:https://x.blob.core.windows.net/?sv=1&sig=c2VjcmV0": AccountVariable,
		"AccountName=x;AccountKey=c2VjcmV0": AccountVariable, "https://x.blob.core.windows.net/?sv=1&sig=c2VjcmV0": AccountVariable,
		"azurite:AccountName=x;AccountKey=c2VjcmV0": AccountVariable, "memory:accountkey = c2VjcmV0": AccountVariable,
		"sqlite:SharedAccessSignature=c2VjcmV0": AccountVariable, "azure:https://x.blob.core.windows.net/%3Fsig%3Dc2VjcmV0": AccountVariable,
	} {
		if _, err := Parse(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		} else if strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
	if _, err := Parse("memory", "a\nb"); err == nil || !strings.Contains(err.Error(), "hub name") {
		t.Errorf("a hub name with a line break: %v", err)
	}
	if _, err := Parse("azurite", "tables"); err == nil || !strings.Contains(err.Error(), "reserves that name") {
		t.Errorf("a hub name that the service reserves: %v", err)
	}
	if _, err := Parse("azurite", "My-Hub"); err == nil || !strings.Contains(err.Error(), "lower-case") {
		t.Errorf("a hub name that can be no table: %v", err)
	}
}

func TestTheHubHasItsName(t *testing.T) {
	for hub, want := range map[string]string{"": "default", "shop": "shop"} {
		for _, ref := range []Ref{{Kind: Memory, Hub: hub}, {Kind: SQLite, Path: filepath.Join(t.TempDir(), "x.db"), Hub: hub}} {
			s, err := ref.Open(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.(provider.Named).Hub(); got != want {
				t.Errorf("%s: hub %q, want %q", ref, got, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAScratchStoreLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ref := Ref{Kind: SQLite, Path: filepath.Join(dir, "x.db")}.Sibling(".raw")
	s, err := ref.Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := s.Join(t.Context(), provider.HostInfo{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := ref.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
