package orchestration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

// loop runs 20 executions, of which each says what it keeps.
func loop(t *testing.T, keep func(n int) []orchestration.ContinueOptions) *orchestrationtest.Started[int] {
	t.Helper()
	count := orchestration.Declare[int, int]("count")
	e := orchestrationtest.New(t).Register(count.Func(func(ctx *orchestration.Context, n int) (int, error) {
		if n == 20 {
			return n, nil
		}
		return count.ContinueAsNew(ctx, n+1, keep(n)...)
	}))
	return orchestrationtest.Start(e, count, 1)
}

func kept(run *orchestrationtest.Started[int]) (executions []int64) {
	for n := int64(1); n <= run.Execution(); n++ {
		if len(run.History(n)) > 0 {
			executions = append(executions, n)
		}
	}
	return executions
}

// A turn runs through several executions: what is kept counts from the last.
func TestContinueAsNewKeepsAsManyExecutionsAsItSays(t *testing.T) {
	for keep, first := range map[int]int64{0: 1, 1: 20, 3: 18, 19: 2, 20: 1, 100: 1} {
		run := loop(t, func(int) []orchestration.ContinueOptions {
			return []orchestration.ContinueOptions{{Keep: keep}}
		})
		if _, err := run.Result(); err != nil {
			t.Fatal(err)
		}
		if got := kept(run); got[0] != first || int64(len(got)) != 21-first || run.Info().Pruned != first-1 {
			t.Errorf("Keep %d leaves %v, pruned %d, want those from %d on", keep, got, run.Info().Pruned, first)
		}
	}
}

func TestWhatWasPrunedStaysSoWhoeverKeepsMoreLater(t *testing.T) {
	run := loop(t, func(n int) []orchestration.ContinueOptions {
		if n == 10 {
			return []orchestration.ContinueOptions{{Keep: 2}} // executions 10 and 11
		}
		return nil
	})
	if _, err := run.Result(); err != nil {
		t.Fatal(err)
	}
	if got := kept(run); got[0] != 10 || len(got) != 11 {
		t.Errorf("executions %v are left, want those from 10 on", got)
	}
}

func TestKeepingLessThanNothingIsAnErrorThatSaysSo(t *testing.T) {
	run := loop(t, func(int) []orchestration.ContinueOptions {
		return []orchestration.ContinueOptions{{Keep: -1}}
	})
	_, err := run.Result()
	var failed *orchestration.Error
	if !errors.As(err, &failed) || run.Status() != history.StatusFailed || !strings.Contains(err.Error(), "ContinueOptions.Keep -1") {
		t.Errorf("the result is %v, and the instance is %s", err, run.Status())
	}
}
