package sdk

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// dated answers with its clock's Date after a while.
func dated(ahead, latency func() time.Duration) *script {
	return &script{answer: func(r *http.Request) (*http.Response, error) {
		there := latency()
		<-time.After(there)
		date := time.Now().Add(ahead()).UTC().Format(http.TimeFormat)
		<-time.After(latency())
		return reply(r, 201, "", "Date", date), nil
	}}
}

func TestTheOffsetIsLearntToMilliseconds(t *testing.T) {
	for _, ahead := range []time.Duration{0, 37 * time.Millisecond, -12_345 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			lots := rand.New(rand.NewPCG(1, uint64(ahead)))
			latency := func() time.Duration { return time.Millisecond + time.Duration(lots.IntN(4))*time.Millisecond }
			a := scripted(t, dated(func() time.Duration { return ahead }, latency), testString)
			if a.clock.offset() != 0 {
				t.Errorf("before the first answer the offset is %v", a.clock.offset())
			}
			for i := range 400 {
				if err := write(a); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Duration(lots.IntN(1000)) * time.Millisecond)
				if i == 0 && (a.clock.offset()-ahead).Abs() > 1020*time.Millisecond {
					t.Errorf("after one answer the offset is %v, want %v", a.clock.offset(), ahead)
				}
			}
			if (a.clock.offset() - ahead).Abs() > 10*time.Millisecond {
				t.Errorf("the offset is %v, want %v", a.clock.offset(), ahead)
			}
		})
	}
}

func TestTheOffsetOfClocksThatAgreeIsNoneFromTheFirstAnswerOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(700 * time.Millisecond) // into a second
		none := func() time.Duration { return 0 }
		a := scripted(t, dated(none, func() time.Duration { return time.Millisecond }), testString)
		for range 30 {
			_ = write(a)
			if a.clock.offset() != 0 {
				t.Fatalf("the offset is %v", a.clock.offset())
			}
			<-time.After(777 * time.Millisecond)
		}
	})
}

func TestTheOffsetMovesOnlyAsFarAsItMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := func() time.Duration { return 10 * time.Second }
		a := scripted(t, dated(ahead, func() time.Duration { return time.Millisecond }), testString)
		last := time.Duration(0)
		for range 400 {
			_ = write(a)
			if a.clock.offset() < last {
				t.Fatalf("the offset went from %v back to %v: time would", last, a.clock.offset())
			}
			last = a.clock.offset()
			<-time.After(777 * time.Millisecond)
		}
	})
}

func TestAClockThatWasSetIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Duration(0)
		a := scripted(t, dated(func() time.Duration { return ahead }, func() time.Duration { return time.Millisecond }), testString)
		for range 30 {
			_ = write(a)
			<-time.After(333 * time.Millisecond)
		}
		ahead = 5 * time.Second
		_ = write(a)
		if (a.clock.offset() - ahead).Abs() > 1020*time.Millisecond {
			t.Errorf("the offset is %v, want %v", a.clock.offset(), ahead)
		}
	})
}

func TestDriftIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ahead := func() time.Duration { return time.Since(begin) / 10_000 } // 100 ppm
		a := scripted(t, dated(ahead, func() time.Duration { return time.Millisecond }), testString)
		lots := rand.New(rand.NewPCG(1, 2))
		for i := range 3_600 {
			_ = write(a)
			<-time.After(time.Duration(lots.IntN(2000)) * time.Millisecond)
			if off := (a.clock.offset() - ahead()).Abs(); i > 200 && off > 50*time.Millisecond {
				t.Fatalf("after %v the offset is %v, want %v", time.Since(begin), a.clock.offset(), ahead())
			}
		}
	})
}
