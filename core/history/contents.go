package history

import (
	"errors"
	"fmt"
)

var errNoFailure = errors.New("it does not say what failed")

// contents checks the names and payloads of an event against the limits (H9).
func contents(d Data) error {
	switch d := d.(type) {
	case *ExecutionStarted:
		return firstError(ValidateName("orchestration", d.Name), ValidatePayload("input", len(d.Input)), carriedContents(d), stateContents(d.State), validStatus(d.Status))
	case *ExecutionCompleted:
		return ValidatePayload("output", len(d.Output))
	case *ExecutionTerminated:
		return ValidatePayload("output", len(d.Output))
	case *ContinuedAsNew:
		return ValidatePayload("input", len(d.Input))
	case *ExecutionFailed:
		return present(d.Failure)
	case *ActivityFailed:
		return present(d.Failure)
	case *ActivityAttemptFailed:
		return present(d.Failure)
	case *ChildFailed:
		return present(d.Failure)
	case *ActivityScheduled:
		return firstError(ValidateName("activity", d.Name), ValidatePayload("input", len(d.Input)))
	case *ActivityCompleted:
		return ValidatePayload("output", len(d.Output))
	case *InlineRan:
		return firstError(ValidateName("activity", d.Name), ValidatePayload("output", len(d.Output)))
	case *ValueRecorded:
		return ValidatePayload("value", len(d.Value))
	case *ChildScheduled:
		return firstError(ValidateName("orchestration", d.Name), validDerivedID(d.Instance), ValidatePayload("input", len(d.Input)))
	case *ChildCompleted:
		return ValidatePayload("output", len(d.Output))
	case *DetachedStarted:
		return firstError(ValidateName("orchestration", d.Name), validDerivedID(d.Instance), ValidatePayload("input", len(d.Input)))
	case *EventAwaited:
		return ValidateName("event", d.Name)
	case *EventRaised:
		return firstError(ValidateName("event", d.Name), ValidatePayload("payload", len(d.Payload)))
	case *EventSent:
		return firstError(validDerivedID(d.To), ValidateName("event", d.Name), ValidatePayload("payload", len(d.Payload)))
	case *StatusSet:
		return validStatus(d.Status)
	case *StateSet:
		return firstError(ValidateName("state", d.Key), validStateValue(d.Key, d.Value))
	}
	return nil
}

// validDerivedID checks an id that may be that of a child.
func validDerivedID(id InstanceID) error {
	return validText("instance id", string(id), MaxInstanceIDLength)
}

func validStatus(status Payload) error {
	if len(status) > MaxStatusBytes {
		return &LimitError{What: "status", Size: len(status), Limit: MaxStatusBytes, Unit: "bytes"}
	}
	return nil
}

func validStateValue(key string, value Payload) error {
	if len(value) > MaxStateValueBytes {
		return &LimitError{What: "state " + quote(key), Size: len(value), Limit: MaxStateValueBytes, Unit: "bytes"}
	}
	return nil
}

func stateContents(state map[string]Payload) error {
	if len(state) > MaxStateKeys {
		return &LimitError{What: "state", Size: len(state), Limit: MaxStateKeys, Unit: "keys"}
	}
	return nil
}

func carriedContents(d *ExecutionStarted) error {
	if len(d.Carried) > MaxCarriedEvents {
		return &LimitError{What: "carry-over", Size: len(d.Carried), Limit: MaxCarriedEvents, Unit: "events"}
	}
	for i, c := range d.Carried {
		if err := firstError(ValidateName("event", c.Name), ValidatePayload("payload", len(c.Payload))); err != nil {
			return fmt.Errorf("carried event %d: %w", i+1, err)
		}
	}
	return nil
}

func present(f *Failure) error {
	if f == nil {
		return errNoFailure
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
