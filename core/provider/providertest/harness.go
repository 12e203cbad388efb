package providertest

import (
	"flag"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Harness tells the suite how to get at the provider under test.
type Harness struct {
	// Open opens a new, empty hub. The suite closes the store. Required.
	Open func(t testing.TB) provider.Store

	// Persists says whether a hub outlives the store that opened it. With Yes,
	// Reopen is required.
	Persists Answer
	// Reopen closes the store, whose host has left, and opens the same hub.
	Reopen func(t testing.TB, s provider.Store) provider.Store
	// Crash abandons the store as kill -9 of its process would: nothing is
	// closed, flushed or released. It opens the same hub and returns it; the
	// abandoned store must not touch the hub any more. Optional.
	Crash func(t testing.TB, s provider.Store) provider.Store

	// ManyHosts says whether several hosts may be joined at a time. With No,
	// a second one gets ErrHostTaken.
	ManyHosts Answer

	// SharedClients says whether several stores may have a hub open at a time,
	// as several processes would. With Yes, Attach is required.
	SharedClients Answer
	// Attach opens one more store on the hub of s. The suite closes it.
	Attach func(t testing.TB, s provider.Store) provider.Store

	// OpenImpatient opens a new, empty hub whose messages for instances that do
	// not exist go to the dead letters after a millisecond or so. Optional.
	OpenImpatient func(t testing.TB) provider.Store

	// OpenWithClock opens a new, empty hub that tells the time by now. Optional.
	OpenWithClock func(t testing.TB, now func() time.Time) provider.Store

	// Corrupt damages what is stored of an event of the instance's current
	// execution, so that its history can no longer be read. Optional.
	Corrupt func(t testing.TB, s provider.Store, id history.InstanceID)
}

// Answer is a Yes or a No that has to be given: the zero value is neither, so
// that no part of the suite is left out by oversight.
type Answer int

// The answers.
const (
	Yes Answer = iota + 1
	No
)

var many = flag.Int("providertest.many", 10_000, "instances in the tests with many instances")

// manyInstances is how many a test with many instances makes.
func manyInstances() int {
	if testing.Short() {
		return min(*many, 1_000)
	}
	return *many
}

// validate ends the test if the harness leaves a question open.
func (h Harness) validate(t testing.TB) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("providertest: Harness.Open is missing: the suite needs a way to open an empty hub")
	}
	for _, q := range []struct {
		field  string
		answer Answer
		hook   string
		given  bool
	}{
		{"Persists", h.Persists, "Reopen", h.Reopen != nil},
		{"ManyHosts", h.ManyHosts, "", true},
		{"SharedClients", h.SharedClients, "Attach", h.Attach != nil},
	} {
		switch {
		case q.answer != Yes && q.answer != No:
			t.Fatalf("providertest: Harness.%s is not answered: set it to providertest.Yes or providertest.No", q.field)
		case q.answer == Yes && !q.given:
			t.Fatalf("providertest: Harness.%s is Yes, so Harness.%s is required", q.field, q.hook)
		}
	}
}

// law is a law of package provider, as failures cite it.
type law string

const (
	p1  law = "P1 Atomic"
	p2  law = "P2 Durable"
	p3  law = "P3 Exclusive"
	p4  law = "P4 Exactly once"
	p5  law = "P5 Ordered"
	p6  law = "P6 Fair"
	p7  law = "P7 Append-only"
	p8  law = "P8 Timers"
	p9  law = "P9 Activities"
	p10 law = "P10 Opaque"
	p11 law = "P11 No polling"
	p12 law = "P12 Honest outcomes"
	// pX stands for what the comments of the interfaces promise beyond the
	// numbered laws.
	pX law = "the interface comments"
)

// property is one thing that every provider must hold to. Its name is a
// sentence.
type property struct {
	name string
	law  law
	test func(e *env)
}

// area is a group of properties, in a file of its own.
type area struct {
	name       string
	properties []property
}

func areas() []area {
	return []area{
		{"turns", turnProperties},
		{"releases", releaseProperties},
		{"commits", commitProperties},
		{"executions", executionProperties},
		{"prunes", pruneProperties},
		{"status and state", stateProperties},
		{"messages", messageProperties},
		{"starts", startProperties},
		{"reuse", reuseProperties},
		{"timers", timerProperties},
		{"activities", activityProperties},
		{"cancelled activities", cancelProperties},
		{"routing", routingProperties},
		{"sessions", sessionProperties},
		{"reads", readProperties},
		{"histories", historyProperties},
		{"lists", listProperties},
		{"purge", purgeProperties},
		{"hosts", hostProperties},
		{"shared hubs", sharedProperties},
		{"durability", durabilityProperties},
		{"crashes", crashProperties},
		{"dead letters", deadLetterProperties},
		{"clocks", clockProperties},
		{"limits", limitProperties},
		{"identifiers", identifierProperties},
		{"fairness", fairnessProperties},
		{"concurrency", concurrencyProperties},
	}
}

// Run checks every property of the contract, each on a hub of its own, then
// random operations against a model.
func Run(t *testing.T, h Harness) {
	h.validate(t)
	for _, a := range areas() {
		t.Run(a.name, func(t *testing.T) {
			for _, p := range a.properties {
				t.Run(p.name, func(t *testing.T) {
					p.test(newEnv(t, h, p.law))
				})
			}
		})
	}
	t.Run("random operations", func(t *testing.T) { Differential(t, h, DifferentialConfig{}) })
}
