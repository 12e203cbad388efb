package sharding

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAnOutageIsInTheLogOnceAMinute(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		var log bytes.Buffer
		a := w.host("a")
		if err := a.join(Config{Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		wait(rest)
		w.set(faults{refuse: true})
		wait(10*time.Minute + 30*time.Second)
		w.set(faults{})
		wait(rest)
		text := log.String()
		for _, what := range []string{"heartbeat failed", "observation failed"} {
			if got := strings.Count(text, what); got < 10 || got > 11 {
				t.Errorf("%d records of %q in ten minutes of an outage, want one a minute", got, what)
			}
		}
		if strings.Count(text, "unlogged=0") != 2 { // the first of each
			t.Errorf("the records do not say how many others there would be:\n%s", text)
		}
	})
}
