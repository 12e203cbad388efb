package replay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

func TestStrictReplayComparesContentsToo(t *testing.T) {
	code := func(delay time.Duration, input, output string) replay.Func {
		return func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			c.Record(&history.ValueRecorded{}, func() history.Data { return &history.ValueRecorded{Value: history.Payload("1")} })
			await(c.Timer(delay, ""))
			await(c.Activity(&history.ActivityScheduled{Name: "a", Input: history.Payload(input)}))
			return text(output)
		}
	}
	long := `"` + strings.Repeat("x", 500) + `"`
	w := start(t, code(time.Hour, long, "out"))
	w.deliver(&history.TimerFired{Source: 3})
	w.deliver(completed(5, "1"))
	for name, c := range map[string]struct {
		code replay.Func
		says string
	}{
		"the same":       {code(time.Hour, long, "out"), ""},
		"another delay":  {code(time.Minute, long, "out"), "event 3"},
		"another input":  {code(time.Hour, strings.Replace(long, `x"`, `y"`, 1), "out"), `(was …` + strings.Repeat("x", 80) + `x"}}, is …` + strings.Repeat("x", 80) + `y"}})`},
		"another output": {code(time.Hour, long, "put"), "event 7"},
	} {
		for _, strict := range []bool{false, true} {
			m := replay.New(replay.Config{Instance: "i", Func: c.code, Strict: strict})
			var err error
			for _, e := range w.events {
				if err = m.Replay(e); err != nil {
					break
				}
			}
			m.Stop()
			switch {
			case (err != nil) != (strict && c.says != ""):
				t.Errorf("%s, strict %t: %v", name, strict, err)
			case err != nil && !strings.Contains(err.Error(), c.says):
				t.Errorf("%s: it does not say %q: %v", name, c.says, err)
			}
		}
	}
}
