package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// watch reads the store as any client may, shows what has ended, and answers
// for the approver, until every order has ended. It trusts the store alone: the
// worker's words may be lost with it.
func (d *director) watch(ctx context.Context) error {
	summed := time.Now()
	for {
		from := time.Now()
		ended, err := d.look(ctx)
		if err != nil {
			return err
		}
		if ended == len(d.Orders) {
			close(d.ordersDone)
			return nil
		}
		if len(d.Orders) > detailed && time.Since(summed) > time.Second {
			summed = time.Now()
			d.mu.Lock()
			placed := d.placed
			d.mu.Unlock()
			d.say("", "%d of %d orders placed, %d ended", placed, len(d.Orders), ended)
		}
		// Large hubs are looked at less often, so that looking costs little.
		if !pause(ctx, max(d.glance, 5*time.Since(from))) {
			return context.Cause(ctx)
		}
	}
}

// look reads all orders once and returns how many have ended.
func (d *director) look(ctx context.Context) (ended int, err error) {
	var after history.InstanceID
	var asking []history.InstanceID
	for {
		page, err := d.client.List(ctx, provider.Query{Name: Fulfil.Name(), After: after, Limit: 1000})
		if err != nil {
			return 0, err
		}
		for _, i := range page {
			after = i.ID
			if i.Status.Final() {
				ended++
			} else if string(i.CustomStatus) == `"`+awaitingApproval+`"` {
				asking = append(asking, i.ID)
			}
			d.saw(i)
		}
		if len(page) == 0 {
			break
		}
	}
	return ended, sideBySide(asking, func(id history.InstanceID) error { return d.answer(ctx, id) })
}

// saw takes note of an order, and shows it when it has ended.
func (d *director) saw(i provider.Instance) {
	d.mu.Lock()
	before := d.orders[i.ID]
	d.orders[i.ID] = i
	d.mu.Unlock()
	switch {
	case i.Status.Final() && !before.Status.Final():
		ending := ending(&i)
		style := screen.Cyan
		if ending == Shipped {
			style = screen.Green
		}
		d.detail(string(i.ID), style, "■ %s", screen.Clean(string(ending), 80))
	case i.Parked != nil && before.Parked == nil:
		d.say(screen.Red, "! %s is parked: %s", i.ID, screen.Clean(i.Parked.Reason, 300))
	}
}

// ending is how an order that has ended did.
func ending(i *provider.Instance) Ending {
	var out Outcome
	switch {
	case i.Status != history.StatusCompleted && i.Failure != nil:
		return Ending(fmt.Sprintf("%s: %s", i.Status, i.Failure.Message))
	case i.Status != history.StatusCompleted:
		return Ending(i.Status)
	}
	if err := json.Unmarshal(i.Output, &out); err != nil {
		return Ending("unreadable output: " + err.Error())
	}
	return out.Ending
}

// answer raises the approver's decision, once.
func (d *director) answer(ctx context.Context, id history.InstanceID) error {
	d.mu.Lock()
	asked := d.answered[id]
	d.answered[id] = true
	d.mu.Unlock()
	if asked {
		return nil
	}
	o := d.byID[id]
	if o == nil || o.Approval == nil || o.Approval.Answer == Silence {
		return nil
	}
	a := o.Approval
	who := fmt.Sprintf("the approver in process %d", os.Getpid())
	d.detail(string(id), screen.Cyan, "☎ %s raises the event %q: %s", who, Decide.Name(), a.Answer)
	return Decide.Raise(ctx, d.client, id, Decision{Granted: a.Answer == Granted, By: who})
}

// unfinished counts the orders that were placed and have not ended, as last
// seen.
func (d *director) unfinished() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.placed
	for _, i := range d.orders {
		if i.Status.Final() {
			n--
		}
	}
	return max(n, 0)
}

// hear shows what is worth showing of a worker's log.
func (d *director) hear(n *note, who string) {
	if n.Msg == noteBegun {
		d.mu.Lock()
		at := attempt{n.Instance, n.Execution, n.Event, n.Attempt}
		if d.begun[at] == nil {
			d.begun[at] = &begun{activity: n.Activity, order: n.order()}
		}
		d.begun[at].runs++
		d.mu.Unlock()
	}
	switch {
	case n.Msg == noteDead:
		d.say(screen.Yellow, "! %s finds %s silent for %v, and declares it dead", who, screen.Clean(n.Name, 40), HostTTL)
	case n.Level == "WARN" || n.Level == "ERROR":
		if !d.news(who + n.Msg + n.Instance) {
			return
		}
		parts := []string{n.Msg, n.Reason}
		if n.Error != nil {
			parts = append(parts, fmt.Sprint(n.Error))
		}
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
		d.say(screen.Yellow, "! %s: %s", who, screen.Clean(strings.TrimSpace(n.Instance+" "+strings.Join(parts, ": ")), 360))
	case n.Msg == noteFailed:
		d.detail(n.order(), screen.Yellow, "%s, attempt %d: %s", n.Activity, n.Attempt, screen.Clean(fmt.Sprint(n.Error), 100))
	case n.Msg == noteRepeated:
		d.detail(n.order(), screen.Yellow, "%s %s ran again after a kill: its effect was there and was not applied twice", n.Activity, screen.Clean(n.What, 40))
	case n.Msg == noteBegun && n.Activity == count.Name():
		d.detail(n.order(), screen.Dim, "execution %d: counting", n.Execution)
	case n.Msg == noteReady, n.Msg == noteBegun, n.Msg == noteEnded:
	case n.Instance != "":
		d.detail(n.order(), "", "%s", screen.Clean(strings.TrimSpace(n.Msg+" "+n.Detail), 120))
	}
}

// news reports whether a warning was not given lately: where a machine is slow,
// many are the same.
func (d *director) news(warning string) bool {
	const lately = 10 * time.Second
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.warned[warning]) < lately {
		return false
	}
	d.warned[warning] = time.Now()
	return true
}

// say writes a line of the story.
func (d *director) say(style screen.Style, format string, args ...any) {
	d.Screen.Line("%s  %s", d.clock(), d.Screen.Paint(style, fmt.Sprintf(format, args...)))
}

// detail writes a line about one order, unless there are too many to follow.
func (d *director) detail(order string, style screen.Style, format string, args ...any) {
	if len(d.Orders) > detailed {
		return
	}
	d.Screen.Line("%s  %s  %s", d.clock(), d.Screen.Paint(screen.Bold, fmt.Sprintf("%-10s", screen.Clean(order, 24))),
		d.Screen.Paint(style, fmt.Sprintf(format, args...)))
}

func (d *director) clock() string {
	return d.Screen.Paint(screen.Dim, fmt.Sprintf("%6.2fs", time.Since(d.began).Seconds()))
}
