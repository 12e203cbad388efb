package environment_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
)

func TestAnEnvironmentIsMadeOnceAndTornDown(t *testing.T) {
	for name, open := range map[string]func(*testing.T) provider.Store{"memory": inMemory, "sqlite": onSQLite} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{}, open(t))
			w.run(w.store)
			out, err := w.provision("alpha", spec()).Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.exactly(1, "alpha")
			if out.Host == "" || out.Principal == "" || out.Storage != plan("alpha").Storage().ID {
				t.Errorf("the outputs are %+v", out)
			}
		})
	}
}
