package providertest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// wantStatus demands a custom status and its revision.
func (e *env) wantStatus(want history.Payload, revision int64) {
	e.Helper()
	i := e.instance("order")
	e.wantPayload("custom status", i.CustomStatus, want)
	if i.StatusRevision != revision {
		e.breaks("status revision is %d, want %d", i.StatusRevision, revision)
	}
}

// change runs one more turn of the instance "order".
func (e *env) change(decide func(d *draft)) {
	e.Helper()
	e.send(e.event("order", "go on"))
	e.next("order", decide)
}

var stateProperties = []property{
	{"a new instance has no custom status", pX, func(e *env) {
		e.send(e.start("order"))
		e.wantStatus(nil, 0)
		e.next("order", nil)
		e.wantStatus(nil, 0)
	}},
	{"a custom status is set, kept, replaced and cleared, and each change counts", pX, func(e *env) {
		e.running("order", func(d *draft) { d.status(quoted("packing")) })
		e.wantStatus(quoted("packing"), 1)
		e.change(nil)
		e.wantStatus(quoted("packing"), 1)
		e.change(func(d *draft) { d.status(history.Payload(`{"step":2}`)) })
		e.wantStatus(history.Payload(`{"step":2}`), 2)
		e.change(func(d *draft) { d.status(nil) })
		e.wantStatus(nil, 3)
		e.change(func(d *draft) { d.status(history.Payload(`null`)) })
		e.wantStatus(history.Payload(`null`), 4)
	}},
	{"the end of an instance is a change of its status", pX, func(e *env) {
		e.running("order", func(d *draft) { d.status(quoted("packing")) })
		e.change(func(d *draft) { d.finish() })
		e.wantStatus(quoted("packing"), 2)
	}},
	{"a custom status and its revision go on in a new execution", pX, func(e *env) {
		e.running("order", func(d *draft) { d.status(quoted("packing")) })
		e.change(func(d *draft) { d.continueAsNew() })
		e.wantStatus(quoted("packing"), 1)
		e.change(func(d *draft) { d.status(quoted("shipping")) })
		e.wantStatus(quoted("shipping"), 2)
	}},
	{"state is set, replaced and removed by key", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("a", quoted("1")).set("b", quoted("2")) })
		e.change(func(d *draft) { d.set("a", quoted("3")).set("never set", nil) })
		e.wantPayload("state a", e.state("order", "a"), quoted("3"))
		e.wantPayload("state b", e.state("order", "b"), quoted("2"))
		e.change(func(d *draft) { d.set("a", nil) })
		e.wantPayload("state a, removed", e.state("order", "a"), nil)
		e.wantPayload("state b", e.state("order", "b"), quoted("2"))
		e.change(func(d *draft) { d.set("a", quoted("4")) })
		e.wantPayload("state a, set again", e.state("order", "a"), quoted("4"))
	}},
	{"of several changes of one key in a commit the last counts", pX, func(e *env) {
		e.running("order", func(d *draft) {
			d.set("a", quoted("1")).set("a", nil).set("a", quoted("2"))
			d.set("b", quoted("1")).set("b", nil)
		})
		e.wantPayload("state a", e.state("order", "a"), quoted("2"))
		e.wantPayload("state b", e.state("order", "b"), nil)
	}},
	{"what was never set is nil, null is not nil", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("null", history.Payload(`null`)).set("empty", quoted("")) })
		e.wantPayload("state that was never set", e.state("order", "other"), nil)
		e.wantPayload("state null", e.state("order", "null"), history.Payload(`null`))
		e.wantPayload("state empty", e.state("order", "empty"), quoted(""))
		ctx, cancel := e.context()
		defer cancel()
		v, err := e.store.State(ctx, "unknown", "a")
		if v != nil {
			e.breaks("state of an unknown instance is %s, want none", v)
		}
		if err != nil {
			e.wants(err, provider.ErrNotFound, "reading the state of an unknown instance")
		}
	}},
	{"instances have states of their own", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("a", quoted("1")) })
		e.running("order-1", func(d *draft) { d.set("a", quoted("2")) })
		e.change(func(d *draft) { d.set("a", nil) })
		e.wantPayload("state of order-1", e.state("order-1", "a"), quoted("2"))
	}},
	{"state goes on in a new execution", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("a", quoted("1")).set("b", quoted("2")).set("c", quoted("3")) })
		e.change(func(d *draft) { d.set("b", quoted("4")).continueAsNew().set("c", nil) })
		e.wantPayload("state a", e.state("order", "a"), quoted("1"))
		e.wantPayload("state b", e.state("order", "b"), quoted("4"))
		e.wantPayload("state c", e.state("order", "c"), nil)
	}},
	{"state can be read after the end", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("a", quoted("1")).finish() })
		e.wantPayload("state a", e.state("order", "a"), quoted("1"))
	}},
	{"keys are any text", p10, func(e *env) {
		keys := append([]string{strings.Repeat("k", history.MaxNameLength)}, hostile...)
		e.running("order", func(d *draft) {
			for i, key := range keys {
				d.set(key, quoted(fmt.Sprint(i)))
			}
		})
		for i, key := range keys {
			e.wantPayload(fmt.Sprintf("state %q", key), e.state("order", key), quoted(fmt.Sprint(i)))
		}
	}},
	{"values of the largest size are kept whole", p10, func(e *env) {
		value := quoted(strings.Repeat("v", history.MaxStateValueBytes-2))
		status := quoted(strings.Repeat("s", history.MaxStatusBytes-2))
		e.running("order", func(d *draft) {
			for n := range history.MaxStateBytes / history.MaxStateValueBytes {
				d.set(fmt.Sprint("key ", n), value)
			}
			d.status(status)
		})
		for n := range history.MaxStateBytes / history.MaxStateValueBytes {
			if got := e.state("order", fmt.Sprint("key ", n)); !bytes.Equal(got, value) {
				e.breaks("state %d has %d bytes, want the %d that were set", n, len(got), len(value))
			}
		}
		e.wantPayload("custom status", e.instance("order").CustomStatus, status)
	}},
}
