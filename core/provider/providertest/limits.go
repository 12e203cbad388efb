package providertest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// large is a payload of that many bytes.
func large(size int) history.Payload {
	p := bytes.Repeat([]byte{'x'}, size)
	p[0], p[size-1] = '"', '"'
	return p
}

var limitProperties = []property{
	{"payloads of 8 MiB go everywhere a payload goes", p10, func(e *env) {
		big := large(8 << 20)
		start := e.start("order")
		start.Data.(*history.ExecutionStarted).Input = big
		e.send(start)
		t := e.turnOf("order")
		if diff := sameMessage(t.Messages[0], start); diff != "" {
			e.breaks("the start: %s", diff)
		}
		d := take(t)
		event := d.event(&history.ActivityScheduled{Name: "charge", Input: big})
		d.Activities = []provider.Activity{{Scheduled: event, Attempt: 1}}
		e.commit(t, d)
		a := e.activityOf("order", 1, 2)
		if diff := sameEvent(a.Activity.Scheduled, event); diff != "" {
			e.breaks("the activity: %s", diff)
		}
		m := completion(a)
		m.Data = &history.ActivityCompleted{Source: 2, Attempt: 1, Output: big}
		ctx, cancel := e.context()
		defer cancel()
		e.wants(e.host.CompleteActivity(ctx, a, m), nil, "completing with 8 MiB")
		t = e.turnOf("order")
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("the completion: %s", diff)
		}
		end := take(t).finish()
		end.CompletedActivities, end.Output = []int64{2}, big
		e.commit(t, end)
		e.wantHistory("order", append(d.Events, end.Events...))
		if !bytes.Equal(e.instance("order").Output, big) {
			e.breaks("the output is not the 8 MiB that were committed")
		}
	}},
	{"an activity beyond the end of the longest history is refused", p10, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := take(t)
		event := d.event(&history.ActivityScheduled{Name: "charge"})
		event.ID = history.MaxHistoryEvents + 1
		d.Activities = []provider.Activity{{Scheduled: event, Attempt: 1}}
		e.wants(e.tryCommit(t, &d.Commit), provider.ErrInvalid, "an activity of event %d", event.ID)
		if s := e.instance("order").Status; s != history.StatusPending {
			e.breaks("the status is %q, want pending", s)
		}
	}},
	{"a payload of the largest size is kept whole", p10, func(e *env) {
		e.running("order", nil)
		m := e.event("order", "big")
		m.Data = &history.EventRaised{Name: "big", Payload: large(history.MaxPayloadBytes)}
		e.send(m)
		t := e.turnOf("order")
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
		d := take(t)
		e.commit(t, d)
		if diff := sameEvents(e.historyOf("order", 1, 1), d.Events); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"progress of an activity may be as large as a payload of 1 MiB", p10, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.extend(a, large(1<<20))
		e.releaseActivity(a, provider.Release{})
		if a = e.activityOf("order", 1, 2); !bytes.Equal(a.Progress, large(1<<20)) {
			e.breaks("progress has %d bytes, want those of 1 MiB that were stored", len(a.Progress))
		}
	}},
	{"a turn hands over a bounded number of messages, shows the rest, and hands it over later, in order", pX, func(e *env) {
		e.running("order", nil)
		const n = history.MaxTurnMessages + 50
		for i := range n {
			e.send(e.event("order", fmt.Sprint(i)))
		}
		var got []string
		for len(got) < n {
			t := e.turnOf("order")
			if len(t.Messages) > history.MaxTurnMessages {
				e.breaks("a turn has %d messages, at most %d are allowed", len(t.Messages), history.MaxTurnMessages)
			}
			got = append(got, names(t.Messages)...)
			behind := behind(t)
			for i, name := range behind {
				if name != fmt.Sprint(len(got)+i) {
					e.breaks("behind %d messages stands %q as number %d", len(got), name, i)
				}
			}
			if len(got)+len(behind) != n {
				e.breaks("behind %d of %d messages stand %d", len(got), n, len(behind))
			}
			e.commit(t, take(t))
			if t.Behind != nil {
				for m := range t.Behind {
					e.breaks("behind a turn that is committed stands %q", nameOf(*m))
				}
			}
		}
		for i, name := range got {
			if name != fmt.Sprint(i) {
				e.breaks("message %q came as number %d", name, i)
			}
		}
		e.noTurn()
	}},
	{"one commit may have thousands of everything", p1, func(e *env) {
		const n = 2_000
		d := e.running("order", func(d *draft) {
			for i := range n {
				d.schedule(fmt.Sprint("row ", i))
				d.timer(now().Add(far))
				d.send(e.event("order", fmt.Sprint("event ", i)))
			}
		})
		e.wantHistory("order", d.Events)
		o := e.outstanding("order")
		if len(o.Activities) != n || len(o.Timers) != n || len(o.Messages) != n {
			e.breaks("outstanding are %d activities, %d timers, %d messages, want %d of each", len(o.Activities), len(o.Timers), len(o.Messages), n)
		}
		t := e.turnOf("order")
		end := take(t).finish()
		e.commit(t, end)
		e.noTurn()
		e.noActivity()
	}},
	{"names and tags of the largest size are kept whole", p10, func(e *env) {
		name := strings.Repeat("n", history.MaxNameLength)
		m := e.startNamed("order", name, strings.Repeat("1", history.MaxNameLength))
		m.Start.Tags = map[string]string{}
		for n := range history.MaxTags {
			m.Start.Tags[fmt.Sprint(n, strings.Repeat("t", history.MaxNameLength-2))] = strings.Repeat("v", history.MaxNameLength)
		}
		e.send(m)
		i := e.instance("order")
		if i.Name != name || i.Version != m.Start.Version || len(i.Tags) != history.MaxTags {
			e.breaks("name has %d bytes, version %d, and there are %d tags", len(i.Name), len(i.Version), len(i.Tags))
		}
		e.wantList(provider.Query{Name: name}, "order")
		e.next("order", nil)
	}},
	{"a hub holds many instances", pX, func(e *env) {
		n := manyInstances()
		all := make([]history.InstanceID, n)
		for i := range n {
			all[i] = history.InstanceID(fmt.Sprintf("order-%07d", i))
		}
		const senders = 8
		e.together(senders, func(s int) error {
			for i := s; i < n; i += senders {
				if err := e.trySend(e.start(all[i])); err != nil {
					return err
				}
			}
			return nil
		})
		seen := make(map[history.InstanceID]bool, n)
		for range n {
			t := e.turn()
			if seen[t.Instance.ID] {
				e.breaks("%q got its first turn twice", t.Instance.ID)
			}
			seen[t.Instance.ID] = true
			e.commit(t, take(t))
		}
		e.noTurn() // leaves a marker in the list, behind its own prefix
		count := 0
		for _, id := range e.pages(provider.Query{Prefix: "order-", Statuses: []history.Status{history.StatusRunning}}, 1_000) {
			if id != all[count] {
				e.breaks("the list shows %q as number %d, want %q", id, count, all[count])
			}
			count++
		}
		if count != n {
			e.breaks("%d instances are listed, want %d", count, n)
		}
		last := all[n-1]
		e.send(e.event(last, "a"))
		e.turnWith(last, "a")
	}},
}

// identifierProperties are about ids that are easily mistaken for others.
var identifierProperties = []property{
	{"ids are any printable text, and each is its own instance", p10, func(e *env) {
		all := trapIDs()
		for _, id := range all {
			if len(id) <= history.MaxInstanceIDLength && !strings.Contains(string(id), history.ChildSeparator) {
				e.wants(id.Validate(), nil, "validating the id %q", id)
			}
			e.send(e.start(id))
		}
		for _, id := range all {
			t := e.turnWith(id, "start")
			e.commit(t, take(t).status(quoted(string(id))).set("key", quoted(string(id))))
		}
		for _, id := range all {
			e.wantPayload(fmt.Sprintf("custom status of %q", id), e.instance(id).CustomStatus, quoted(string(id)))
			e.wantPayload(fmt.Sprintf("state of %q", id), e.state(id, "key"), quoted(string(id)))
			if events := e.history(id); len(events) != 3 {
				e.breaks("the history of %q has %d events, want 3", id, len(events))
			}
			e.send(e.event(id, "a "+string(id)))
			e.turnWith(id, "a "+string(id))
		}
	}},
	{"ids are case-sensitive and not normalised", p10, func(e *env) {
		alike := []history.InstanceID{"order", "Order", "ORDER", "\u00e9", "e\u0301", "\u212b", "\u00c5", "ß", "ss", "ẞ", "ı", "i", "I", "İ"}
		for _, id := range alike {
			e.send(e.start(id))
		}
		for _, id := range alike {
			e.turnWith(id, "start")
		}
	}},
	{"ids of messages are any text, as long as two instance ids", p4, func(e *env) {
		e.running("order", nil)
		ids := append([]string{string(longID) + "/" + string(longID) + "/1", "X", "x"}, hostile...)
		for round := range 2 {
			for n, id := range ids {
				m := e.event("order", fmt.Sprint(n))
				m.ID = id
				e.send(m)
			}
			if round == 1 {
				e.noTurn() // every one was consumed
				return
			}
			t := e.turnOf("order")
			if len(t.Messages) != len(ids) {
				e.breaks("%d messages, want %d", len(t.Messages), len(ids))
			}
			for n, m := range t.Messages {
				if m.ID != ids[n] {
					e.breaks("message %q, want %q", m.ID, ids[n])
				}
			}
			e.commit(t, take(t))
		}
	}},
	{"names, versions, requests and tags are any text", p10, func(e *env) {
		for n, text := range hostile {
			id := history.InstanceID(fmt.Sprintf("order-%03d", n))
			m := e.startNamed(id, text, text)
			m.Start.RequestID, m.Start.Tags = text, map[string]string{text: text}
			e.send(m, m)
			if i := e.instance(id); i.Name != text || i.Version != text || i.RequestID != text || i.Tags[text] != text {
				e.breaks("the instance is %+v, want %q everywhere", i, text)
			}
			e.wantList(provider.Query{Name: text}, id)
			t := e.turnWith(id, "start")
			d := take(t)
			d.Name = text
			d.scheduleOn(text, text)
			e.commit(t, d)
		}
		e.rejoin(provider.HostInfo{Name: "'", Tags: hostile})
		for range hostile {
			a := e.activity()
			if name := a.Activity.Scheduled.Data.(*history.ActivityScheduled).Name; name != a.Activity.Tag {
				e.breaks("activity %q has the tag %q", name, a.Activity.Tag)
			}
		}
	}},
}
