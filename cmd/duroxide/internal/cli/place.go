package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/demo"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
)

// place is where the demo keeps its hub and its ledger.
type place struct {
	ref    stores.Ref
	ledger string
	dir    string // temporary; empty for a store that the user named
	keep   bool
	stop   func() error // ends an emulator; nil before the beginning
}

func demoPlace(flags *storeFlags, keep bool) (*place, error) {
	p := &place{keep: keep}
	if flags.store != "" {
		ref, err := flags.parse()
		if err == nil && !ref.Shared() {
			err = usagef("--store %s: the demo kills its worker process, and a memory store would die with it: write --store sqlite:PATH", ref)
		}
		if err == nil && ref.Kind == stores.Azurite && keep {
			err = usagef("--keep: the emulator keeps nothing: start one of your own (%s), and write --store azure:UseDevelopmentStorage=true", stores.StartEmulator)
		}
		if err != nil {
			return nil, err
		}
		p.ref = ref
		if !ref.OnAzure() {
			p.keep, p.ledger = true, ref.Path+".ledger"
			return p, nil
		}
		p.keep = keep || ref.Kind == stores.Azure && ref.Hub != ""
		if ref.Kind == stores.Azure && ref.Hub == "" {
			p.ref.Hub = "demo" + strings.ToLower(rand.Text()[:10])
		}
	}
	dir, err := os.MkdirTemp("", "duroxide-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	p.dir = dir
	if flags.store == "" {
		p.ref = stores.Ref{Kind: stores.SQLite, Path: filepath.Join(dir, "demo.db"), Hub: flags.hub}
	}
	p.ledger = filepath.Join(dir, "demo.db.ledger")
	return p, nil
}

// begin starts what the store needs.
func (p *place) begin(ctx context.Context, s *screen.Screen) (err error) {
	if p.ref.Kind == stores.Azurite {
		s.Line("Starting Azurite, the emulator of Azure Storage (the first time it is installed, which takes a minute).")
	}
	p.ref, p.stop, err = p.ref.Start(ctx)
	return err
}

// leave removes what nobody wants to see again, and says how to look at the
// rest: what was asked to be kept, and what went wrong.
func (p *place) leave(ctx context.Context, s *screen.Screen, err error) {
	_, notBegun := errors.AsType[*demo.NotBegunError](err)
	wrong := err != nil && ctx.Err() == nil
	trouble := func(what string, err error) {
		if err != nil {
			s.Line("%s: %v", what, err)
		}
	}
	kept := p.stop != nil && !notBegun && (p.keep || wrong) && p.ref.Kind != stores.Azurite
	if kept {
		s.Line("Look again: duroxide hub verify %s --ledger %s", strings.Join(p.ref.Args(), " "), p.ledger)
	} else if p.stop != nil && p.ref.Kind == stores.Azure && !p.keep {
		if err := p.ref.Remove(context.WithoutCancel(ctx)); !notBegun { // of a story that never began there may be none
			trouble("the hub could not be deleted", err)
		}
	}
	if p.stop != nil {
		trouble("the emulator did not stop in order", p.stop())
	}
	if p.dir != "" && !kept {
		trouble("the temporary directory could not be removed", os.RemoveAll(p.dir))
	}
}
