package lograte

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestATroubleIsDueOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		var got []string
		for second := range 150 {
			if unlogged, due := l.Due(); due {
				got = append(got, fmt.Sprintf("%d:%d", second, unlogged))
			}
			<-time.After(time.Second)
		}
		if want := "[0:0 60:59 120:59]"; fmt.Sprint(got) != want {
			t.Errorf("it was due, and not before, at %v; want %s", got, want)
		}
	})
}
