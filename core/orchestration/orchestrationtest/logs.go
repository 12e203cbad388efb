package orchestrationtest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Log is a record that an orchestration or an activity logged.
type Log struct {
	Time     time.Time // virtual
	Level    slog.Level
	Instance history.InstanceID
	Message  string
	// Attrs are the attributes, those of groups under dotted names.
	Attrs map[string]any
}

func (l Log) String() string { return l.Message }

// logs collects records, from whatever goroutine an activity may start.
type logs struct {
	env     *Env
	mu      sync.Mutex
	records []Log
}

func (l *logs) add(r Log) {
	l.mu.Lock()
	l.records = append(l.records, r)
	l.mu.Unlock()
}

func (l *logs) of(id history.InstanceID) []Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []Log
	for _, r := range l.records {
		if id == "" || r.Instance == id {
			records = append(records, r)
		}
	}
	return records
}

// Logs is what all instances and activities logged, each record once.
func (e *Env) Logs() []Log { return e.logs.of("") }

// Logs is what the instance and its activities logged, each record once.
func (i *Instance) Logs() []Log { return i.env.logs.of(i.id) }

// logHandler is a slog.Handler that collects.
type logHandler struct {
	to     *logs
	prefix string
	attrs  []slog.Attr // with their prefixes
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	log := Log{Time: h.to.env.now, Level: r.Level, Message: r.Message, Attrs: map[string]any{}}
	text := []string{r.Level.String(), r.Message}
	take := func(a slog.Attr) {
		log.Attrs[a.Key] = a.Value.Resolve().Any()
		if a.Key == "instance" {
			log.Instance = history.InstanceID(a.Value.String())
		}
		text = append(text, fmt.Sprintf("%s=%v", a.Key, a.Value))
	}
	for _, a := range h.attrs {
		take(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		for _, flat := range flatten(h.prefix, a) {
			take(flat)
		}
		return true
	})
	h.to.add(log)
	h.to.env.t.Logf("%s %s", log.Time.Format(time.RFC3339), strings.Join(text, " "))
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &logHandler{to: h.to, prefix: h.prefix, attrs: slices.Clip(h.attrs)}
	for _, a := range attrs {
		with.attrs = append(with.attrs, flatten(h.prefix, a)...)
	}
	return with
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{to: h.to, prefix: h.prefix + name + ".", attrs: h.attrs}
}

// flatten gives an attribute, or those of a group, their full names.
func flatten(prefix string, a slog.Attr) []slog.Attr {
	if a.Value.Kind() != slog.KindGroup {
		a.Key = prefix + a.Key
		return []slog.Attr{a}
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	var all []slog.Attr
	for _, inner := range a.Value.Group() {
		all = append(all, flatten(prefix, inner)...)
	}
	return all
}
