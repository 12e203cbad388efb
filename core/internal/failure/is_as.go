package failure

import (
	"context"
	"iter"
	"reflect"

	"github.com/duroxide/duroxide-go/core/history"
)

// All is the failure and its causes, the failure first.
func All(f *history.Failure) iter.Seq[*history.Failure] {
	return func(yield func(*history.Failure) bool) {
		for n := 0; f != nil && n < maxVisits; n++ {
			if !yield(f) {
				return
			}
			f = f.Cause
		}
	}
}

// Is is errors.Is for a stored failure: it knows registered sentinels, constant
// errors, context.DeadlineExceeded and context.Canceled, of the failure and of
// its causes.
func Is(f *history.Failure, target error) bool {
	if f == nil || target == nil {
		return false
	}
	code, coded := codeOf(target)
	for n := range All(f) {
		switch {
		case coded && n.Type == code,
			n.Kind == history.FailureTimeout && same(target, context.DeadlineExceeded),
			n.Kind == history.FailureCancelled && same(target, context.Canceled),
			equals(n, target):
			return true
		}
	}
	return false
}

// equals reports whether a failure is, as a value, the target. Pointers are
// equal to nothing from storage.
func equals(f *history.Failure, target error) bool {
	t := reflect.TypeOf(target)
	if f.Details == nil || t.Kind() == reflect.Pointer || typeName(t) != f.Type {
		return false
	}
	v, ok := decode(f, t)
	return ok && same(v.Interface().(error), target)
}

// As is errors.As for a stored failure: target is a pointer to a type that
// implements error, and is set to the first of the failure and its causes that
// is of this type.
func As(f *history.Failure, target any) bool {
	p := reflect.ValueOf(target)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return false
	}
	t := p.Type().Elem()
	if t.Kind() == reflect.Interface || !t.Implements(errorType) {
		return false
	}
	name := typeName(t)
	for n := range All(f) {
		if s := sentinel(n.Type); s != nil && reflect.TypeOf(s) == t {
			p.Elem().Set(reflect.ValueOf(s))
			return true
		}
		if n.Details == nil || n.Type != name {
			continue
		}
		if v, ok := decode(n, t); ok {
			p.Elem().Set(v)
			return true
		}
	}
	return false
}

// Error is a failure as a Go error, for errors.Is and errors.As.
func Error(f *history.Failure) error {
	if f == nil {
		return nil
	}
	return &stored{f}
}

type stored struct{ f *history.Failure }

func (e *stored) Error() string             { return e.f.Message }
func (e *stored) Failure() *history.Failure { return e.f }
func (e *stored) Is(target error) bool      { return Is(e.f, target) }
func (e *stored) As(target any) bool        { return As(e.f, target) }
