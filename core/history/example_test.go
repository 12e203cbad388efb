package history_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Events travel as JSON, and a validator holds a history to its rules.
func Example() {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := []history.Event{
		{ID: 1, Execution: 1, Time: at, Data: &history.ExecutionStarted{Name: "greet", Version: "1.0.0", Seed: "00112233445566778899aabbccddeeff"}},
		{ID: 2, Execution: 1, Time: at, Data: &history.TimerCreated{Due: at.Add(time.Hour)}},
		{ID: 3, Execution: 1, Time: at.Add(time.Hour), Data: &history.TimerFired{Source: 7}},
	}
	var v history.Validator
	for _, e := range events {
		line, err := history.Marshal(e)
		if err != nil {
			fmt.Println(err)
			return
		}
		back, err := history.Unmarshal(line)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(back.ID, back.Data.Kind(), v.Next(back))
	}
	// Output:
	// 1 ExecutionStarted <nil>
	// 2 TimerCreated <nil>
	// 3 TimerFired invalid history: event 3 breaks rule H5: TimerFired names event 7 as its source, which is not before it
}

// What exceeds a limit is refused where it enters, and the error tells which.
func ExampleLimitError() {
	err := history.ValidatePayload(`input of activity "upload"`, 20<<20)
	if limit, ok := errors.AsType[*history.LimitError](err); ok {
		fmt.Println(limit.What, limit.Size, limit.Limit)
	}
	// Output: input of activity "upload" 20971520 16777216
}
