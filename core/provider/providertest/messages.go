package providertest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var messageProperties = []property{
	{"messages of one sender are handed over in the order in which they were sent", p5, func(e *env) {
		e.running("order", nil)
		var want []string
		for n := range 100 {
			want = append(want, fmt.Sprint("event ", n))
			e.send(e.event("order", want[n]))
		}
		var got []string
		for len(got) < len(want) {
			t := e.turnOf("order")
			n := (len(t.Messages) + 1) / 2
			got = append(got, names(t.Messages[:n])...)
			e.commit(t, takeSome(t, n))
		}
		if !slices.Equal(got, want) {
			e.breaks("the order is %s, want %s", short(got), short(want))
		}
	}},
	{"messages of one commit are handed over in the order in which it sent them", p5, func(e *env) {
		e.running("b", nil)
		var want []string
		e.running("a", func(d *draft) {
			for n := range 50 {
				want = append(want, fmt.Sprint("event ", n))
				d.send(e.event("b", want[n]))
			}
		})
		e.turnWith("b", want...)
	}},
	{"several senders at once each keep their order", p5, func(e *env) {
		e.running("order", nil)
		const senders, each = 8, 25
		batches := make([][]provider.Message, senders)
		for s := range batches {
			for n := range each {
				batches[s] = append(batches[s], e.event("order", fmt.Sprintf("%d/%d", s, n)))
			}
		}
		e.together(senders, func(s int) error {
			for _, m := range batches[s] {
				if err := e.trySend(m); err != nil {
					return err
				}
			}
			return nil
		})
		next := make([]int, senders)
		for seen := 0; seen < senders*each; {
			t := e.turnOf("order")
			for _, m := range t.Messages {
				var s, n int
				if _, err := fmt.Sscanf(nameOf(m), "%d/%d", &s, &n); err != nil || n != next[s] {
					e.breaks("message %q came after %d of its sender (%v)", nameOf(m), next[s], err)
				}
				next[s]++
				seen++
			}
			e.commit(t, take(t))
		}
		e.noTurn()
	}},
	{"a message sent twice before its turn is one message", p4, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "a")
		e.send(m, e.event("order", "b"), m)
		t := e.turnWith("order", "a", "b")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"a message sent again while its turn is held is one message", p4, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "a")
		e.send(m)
		t := e.turnWith("order", "a")
		e.send(m)
		e.commit(t, take(t))
		e.send(m)
		e.noTurn()
	}},
	{"a message sent again after it was consumed is consumed no more", p4, func(e *env) {
		e.running("order", nil)
		var sent []provider.Message
		for n := range 20 {
			sent = append(sent, e.event("order", fmt.Sprint(n)))
			e.send(sent[n])
			e.next("order", nil)
		}
		e.send(sent...)
		e.noTurn()
	}},
	{"a message sent again after its turn was released is one message", p4, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "a")
		e.send(m)
		e.release(e.turnWith("order", "a"), provider.Release{})
		e.send(m)
		t := e.turnWith("order", "a")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"a message that a commit sends again is one message", p4, func(e *env) {
		e.running("b", nil)
		m := e.event("b", "hello")
		e.running("a", func(d *draft) { d.send(m, m) })
		t := e.turnWith("b", "hello")
		e.commit(t, take(t))
		e.send(m)
		e.send(e.event("a", "again"))
		e.next("a", func(d *draft) { d.send(m) })
		e.noTurn()
	}},
	{"one message sent by many at once is one message", p4, func(e *env) {
		e.running("order", nil)
		for n := range 10 {
			m := e.event("order", fmt.Sprint(n))
			e.together(8, func(int) error { return e.trySend(m) })
			t := e.turnWith("order", fmt.Sprint(n))
			e.commit(t, take(t))
		}
		e.noTurn()
	}},
	{"a message that an instance sends itself comes in its next turn", p4, func(e *env) {
		e.running("order", func(d *draft) { d.send(e.event("order", "note")) })
		t := e.turnWith("order", "note")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"messages for an instance that does not exist wait for its start, and follow it in order", p4, func(e *env) {
		e.send(e.event("order", "a"), e.event("order", "b"))
		e.noTurn()
		e.send(e.start("order"), e.event("order", "c"))
		t := e.turnWith("order", "start", "a", "b", "c")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"messages that a commit sends to an instance that does not exist wait for its start", p4, func(e *env) {
		e.running("order", func(d *draft) { d.send(e.event("later", "a")) })
		e.noTurn()
		e.send(e.start("later"))
		e.turnWith("later", "start", "a")
	}},
	{"what a sender sent before a start comes before what it sends with it", p5, func(e *env) {
		e.running("parent", func(d *draft) { d.send(e.event("late", "1"), e.event("late", "2")) })
		e.send(e.event("parent", "go"))
		e.next("parent", func(d *draft) { d.send(e.start("late"), e.event("late", "3"), e.event("late", "4")) })
		e.rejoin(everything("the next host"))
		e.turnWith("late", "start", "1", "2", "3", "4")
	}},
	{"a message creates no instance", pX, func(e *env) {
		e.send(e.event("order", "a"))
		e.gone("order")
		if page := e.list(provider.Query{}); len(page) != 0 {
			e.breaks("the list shows %s, want none", quoteIDs(idsOf(page)))
		}
	}},
	{"messages for instances that do not exist hold up nobody", p6, func(e *env) {
		for n := range 50 {
			e.send(e.event(history.InstanceID(fmt.Sprint("nobody-", n)), "a"))
		}
		e.running("order", nil)
		e.send(e.event("order", "a"))
		e.turnWith("order", "a")
	}},
	{"an instance that has ended drops its messages in a turn", p4, func(e *env) {
		e.finished("order")
		before := e.history("order")
		e.send(e.event("order", "late"), e.event("order", "later"))
		t := e.turnWith("order", "late", "later")
		if t.Instance.Status != history.StatusCompleted {
			e.breaks("the turn shows status %q, want completed", t.Instance.Status)
		}
		d := nothing(t)
		d.Consumed = 2
		e.commit(t, d)
		e.wantHistory("order", before)
		if s := e.instance("order").Status; s != history.StatusCompleted {
			e.breaks("dropping messages changed the status to %q", s)
		}
		e.noTurn()
	}},
	{"a delayed message is not handed over before it is due, and delays no other", pX, func(e *env) {
		e.running("order", nil)
		slow := e.event("order", "slow")
		slow.Due = now().Add(30 * time.Millisecond)
		e.send(slow, e.event("order", "quick"))
		t := e.turnOf("order")
		if len(t.Messages) == 2 { // The machine was slower than the delay.
			e.noEarlier(slow.Due, "the delayed message")
			return
		}
		e.wantNames(t.Messages, "quick")
		e.commit(t, take(t))
		t = e.turnWith("order", "slow")
		e.noEarlier(slow.Due, "the delayed message")
		if diff := sameMessage(t.Messages[0], slow); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"delayed messages come in the order in which they are due", pX, func(e *env) {
		e.running("order", nil)
		for lead := 60 * time.Millisecond; ; lead *= 4 {
			base := now().Add(lead)
			for _, n := range []int{3, 1, 2} {
				m := e.event("order", fmt.Sprint(n))
				m.Due = base.Add(time.Duration(n) * 10 * time.Millisecond)
				e.send(m)
			}
			late := now().After(base) // then they may come as they were sent
			var got []string
			for len(got) < 3 {
				t := e.turnOf("order")
				got = append(got, names(t.Messages)...)
				e.commit(t, take(t))
			}
			if slices.Equal(got, []string{"1", "2", "3"}) {
				return
			}
			if !late {
				e.breaks("the order is %v, want 1 2 3", got)
			}
		}
	}},
	{"a message that is far from due is nowhere but outstanding", pX, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "next year")
		m.Due = now().Add(365 * 24 * time.Hour)
		e.send(m, m)
		e.noTurn()
		e.wantNames(e.outstanding("order").Messages, "next year")
	}},
	{"a message that was due long ago is handed over at once", pX, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "a")
		m.Due = time.Unix(0, 0).UTC()
		e.send(m)
		e.turnWith("order", "a")
	}},
	{"the data of messages and events of every kind comes back as it was", p10, func(e *env) {
		kinds := everyKind()
		e.running("order", nil)
		var sent []provider.Message
		for _, data := range kinds {
			m := e.event("order", "")
			m.Data, m.Execution = data, 3
			sent = append(sent, m)
		}
		e.send(sent...)
		t := e.turnOf("order")
		if len(t.Messages) != len(sent) {
			e.breaks("%d messages, want %d", len(t.Messages), len(sent))
		}
		for i, m := range t.Messages {
			if diff := sameMessage(m, sent[i]); diff != "" {
				e.breaks("%s", diff)
			}
		}
		d := take(t)
		e.commit(t, d)
		if diff := sameEvents(e.historyOf("order", 1, 1), d.Events); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"a message whose context has ended is sent or not, and says so", p12, func(e *env) {
		e.running("order", nil)
		ctx, cancel := e.context()
		cancel()
		m := e.event("order", "a")
		err := e.store.Send(ctx, m)
		if err != nil && !errors.Is(err, provider.ErrUnknown) {
			e.noTurn() // any other error means that nothing was applied
		}
		e.send(m)
		t := e.turnWith("order", "a")
		e.commit(t, take(t))
		e.noTurn()
	}},
}
