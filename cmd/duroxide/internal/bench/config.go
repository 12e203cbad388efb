package bench

import (
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/core/history"
)

// ClientMode says where the load comes from.
type ClientMode string

// The modes.
const (
	InProcess ClientMode = "in-process" // the process of the worker
	Separate  ClientMode = "separate"   // a process of its own
)

// Config configures a run. Zero values of Instances, Concurrency and N stand
// for the workload's own.
type Config struct {
	Store       stores.Ref
	Workload    Workload
	Instances   int // in all
	Concurrency int // at once
	N           int // steps of each
	Payload     int // bytes of each input, output and event
	Client      ClientMode
	Limit       time.Duration // for the run
	// Load is the command that runs the load in a process of its own; flags
	// that say which are added.
	Load []string
}

// Limits of the flags: what a machine can sensibly do in one run.
const (
	maxInstances   = 10_000_000
	maxConcurrency = 100_000
	maxSteps       = 50_000 // what one execution may have open, and far from the limit of its history
	defaultAtOnce  = 1_000
	// eventsPerStep bounds what a step of a sequence adds to a history.
	eventsPerStep = 3
)

// DefaultPayload is a short string.
const DefaultPayload = 16

// WithDefaults fills in what is zero, and reports what is wrong, naming the
// flag.
func (c Config) WithDefaults() (Config, error) {
	w := c.Workload
	if w.FixedN && c.N != 0 && c.N != w.N {
		return c, fmt.Errorf("--n %d: the workload %s always has %d steps: choose sequence for another number", c.N, w.Name, w.N)
	}
	fill(&c.Instances, w.Instances)
	fill(&c.N, w.N)
	fill(&c.Concurrency, min(c.Instances, defaultAtOnce))
	for _, flag := range []struct {
		name        string
		value, most int
	}{
		{"--instances", c.Instances, maxInstances},
		{"--concurrency", c.Concurrency, maxConcurrency},
		{"--n", c.N, maxSteps},
	} {
		if flag.value < 1 || flag.value > flag.most {
			return c, fmt.Errorf("%s %d: want 1 to %d", flag.name, flag.value, flag.most)
		}
	}
	if c.Payload < 0 || c.Payload > history.MaxPayloadBytes-2 {
		return c, fmt.Errorf("--payload %d: want 0 to %d bytes", c.Payload, history.MaxPayloadBytes-2)
	}
	switch c.Client {
	case InProcess:
	case Separate:
		if !c.Store.Shared() {
			return c, fmt.Errorf("--client separate: a memory store lives in one process: choose sqlite:PATH")
		}
	default:
		return c, fmt.Errorf("--client %s: want %s or %s", c.Client, InProcess, Separate)
	}
	return c, nil
}

func fill(value *int, otherwise int) {
	if *value == 0 {
		*value = otherwise
	}
}

// The longest workload fits in one history, and the widest may be open at once.
const (
	_ = uint(history.MaxHistoryEvents - eventsPerStep*maxSteps)
	_ = uint(history.MaxOpenTasks - maxSteps)
)
