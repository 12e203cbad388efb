package history

// The kinds of events. A name, once stored, is never changed or reused.
const (
	KindExecutionStarted      Kind = "ExecutionStarted"
	KindExecutionCompleted    Kind = "ExecutionCompleted"
	KindExecutionFailed       Kind = "ExecutionFailed"
	KindExecutionCancelled    Kind = "ExecutionCancelled"
	KindExecutionTerminated   Kind = "ExecutionTerminated"
	KindContinuedAsNew        Kind = "ContinuedAsNew"
	KindCancelRequested       Kind = "CancelRequested"
	KindActivityScheduled     Kind = "ActivityScheduled"
	KindActivityCompleted     Kind = "ActivityCompleted"
	KindActivityFailed        Kind = "ActivityFailed"
	KindActivityAttemptFailed Kind = "ActivityAttemptFailed"
	KindActivityRetried       Kind = "ActivityRetried"
	KindActivityCancelled     Kind = "ActivityCancelled"
	KindInlineRan             Kind = "InlineRan"
	KindValueRecorded         Kind = "ValueRecorded"
	KindTimerCreated          Kind = "TimerCreated"
	KindTimerFired            Kind = "TimerFired"
	KindTimerCancelled        Kind = "TimerCancelled"
	KindEventAwaited          Kind = "EventAwaited"
	KindEventRaised           Kind = "EventRaised"
	KindWaitCancelled         Kind = "WaitCancelled"
	KindEventSent             Kind = "EventSent"
	KindChildScheduled        Kind = "ChildScheduled"
	KindChildCompleted        Kind = "ChildCompleted"
	KindChildFailed           Kind = "ChildFailed"
	KindChildCancelled        Kind = "ChildCancelled"
	KindDetachedStarted       Kind = "DetachedStarted"
	KindStatusSet             Kind = "StatusSet"
	KindStateSet              Kind = "StateSet"
	KindPatched               Kind = "Patched"
)

// newData makes an empty value of each kind, for decoding.
var newData = map[Kind]func() Data{
	KindExecutionStarted:      func() Data { return new(ExecutionStarted) },
	KindExecutionCompleted:    func() Data { return new(ExecutionCompleted) },
	KindExecutionFailed:       func() Data { return new(ExecutionFailed) },
	KindExecutionCancelled:    func() Data { return new(ExecutionCancelled) },
	KindExecutionTerminated:   func() Data { return new(ExecutionTerminated) },
	KindContinuedAsNew:        func() Data { return new(ContinuedAsNew) },
	KindCancelRequested:       func() Data { return new(CancelRequested) },
	KindActivityScheduled:     func() Data { return new(ActivityScheduled) },
	KindActivityCompleted:     func() Data { return new(ActivityCompleted) },
	KindActivityFailed:        func() Data { return new(ActivityFailed) },
	KindActivityAttemptFailed: func() Data { return new(ActivityAttemptFailed) },
	KindActivityRetried:       func() Data { return new(ActivityRetried) },
	KindActivityCancelled:     func() Data { return new(ActivityCancelled) },
	KindInlineRan:             func() Data { return new(InlineRan) },
	KindValueRecorded:         func() Data { return new(ValueRecorded) },
	KindTimerCreated:          func() Data { return new(TimerCreated) },
	KindTimerFired:            func() Data { return new(TimerFired) },
	KindTimerCancelled:        func() Data { return new(TimerCancelled) },
	KindEventAwaited:          func() Data { return new(EventAwaited) },
	KindEventRaised:           func() Data { return new(EventRaised) },
	KindWaitCancelled:         func() Data { return new(WaitCancelled) },
	KindEventSent:             func() Data { return new(EventSent) },
	KindChildScheduled:        func() Data { return new(ChildScheduled) },
	KindChildCompleted:        func() Data { return new(ChildCompleted) },
	KindChildFailed:           func() Data { return new(ChildFailed) },
	KindChildCancelled:        func() Data { return new(ChildCancelled) },
	KindDetachedStarted:       func() Data { return new(DetachedStarted) },
	KindStatusSet:             func() Data { return new(StatusSet) },
	KindStateSet:              func() Data { return new(StateSet) },
	KindPatched:               func() Data { return new(Patched) },
}

// Kind implements [Data].
func (*ExecutionStarted) Kind() Kind { return KindExecutionStarted }

// Kind implements [Data].
func (*ExecutionCompleted) Kind() Kind { return KindExecutionCompleted }

// Kind implements [Data].
func (*ExecutionFailed) Kind() Kind { return KindExecutionFailed }

// Kind implements [Data].
func (*ExecutionCancelled) Kind() Kind { return KindExecutionCancelled }

// Kind implements [Data].
func (*ExecutionTerminated) Kind() Kind { return KindExecutionTerminated }

// Kind implements [Data].
func (*ContinuedAsNew) Kind() Kind { return KindContinuedAsNew }

// Kind implements [Data].
func (*CancelRequested) Kind() Kind { return KindCancelRequested }

// Kind implements [Data].
func (*ActivityScheduled) Kind() Kind { return KindActivityScheduled }

// Kind implements [Data].
func (*ActivityCompleted) Kind() Kind { return KindActivityCompleted }

// Kind implements [Data].
func (*ActivityFailed) Kind() Kind { return KindActivityFailed }

// Kind implements [Data].
func (*ActivityAttemptFailed) Kind() Kind { return KindActivityAttemptFailed }

// Kind implements [Data].
func (*ActivityRetried) Kind() Kind { return KindActivityRetried }

// Kind implements [Data].
func (*ActivityCancelled) Kind() Kind { return KindActivityCancelled }

// Kind implements [Data].
func (*InlineRan) Kind() Kind { return KindInlineRan }

// Kind implements [Data].
func (*ValueRecorded) Kind() Kind { return KindValueRecorded }

// Kind implements [Data].
func (*TimerCreated) Kind() Kind { return KindTimerCreated }

// Kind implements [Data].
func (*TimerFired) Kind() Kind { return KindTimerFired }

// Kind implements [Data].
func (*TimerCancelled) Kind() Kind { return KindTimerCancelled }

// Kind implements [Data].
func (*EventAwaited) Kind() Kind { return KindEventAwaited }

// Kind implements [Data].
func (*EventRaised) Kind() Kind { return KindEventRaised }

// Kind implements [Data].
func (*WaitCancelled) Kind() Kind { return KindWaitCancelled }

// Kind implements [Data].
func (*EventSent) Kind() Kind { return KindEventSent }

// Kind implements [Data].
func (*ChildScheduled) Kind() Kind { return KindChildScheduled }

// Kind implements [Data].
func (*ChildCompleted) Kind() Kind { return KindChildCompleted }

// Kind implements [Data].
func (*ChildFailed) Kind() Kind { return KindChildFailed }

// Kind implements [Data].
func (*ChildCancelled) Kind() Kind { return KindChildCancelled }

// Kind implements [Data].
func (*DetachedStarted) Kind() Kind { return KindDetachedStarted }

// Kind implements [Data].
func (*StatusSet) Kind() Kind { return KindStatusSet }

// Kind implements [Data].
func (*StateSet) Kind() Kind { return KindStateSet }

// Kind implements [Data].
func (*Patched) Kind() Kind { return KindPatched }

// SourceEvent implements [Arrival].
func (*CancelRequested) SourceEvent() int64 { return 0 }

// SourceEvent implements [Arrival].
func (d *ActivityCompleted) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *ActivityFailed) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *ActivityAttemptFailed) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *ActivityRetried) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *TimerFired) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *EventRaised) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *ChildCompleted) SourceEvent() int64 { return d.Source }

// SourceEvent implements [Arrival].
func (d *ChildFailed) SourceEvent() int64 { return d.Source }
