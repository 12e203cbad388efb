package failure

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/core/history"
)

// Carrier is an error that came out of storage and still has its stored form.
type Carrier interface {
	error
	Failure() *history.Failure
}

// Of is the stored form of an error; nil for nil. A carrier whose text is the
// message of its failure is stored as this failure; any other text is kept
// above it.
func Of(err error) *history.Failure {
	if err == nil {
		return nil
	}
	var c chain
	c.walk(err)
	if len(c.nodes) == 0 { // NonRetryable over NonRetryable, without end
		c.add(describe(err))
	}
	top := c.nodes[0]
	top.NonRetryable = top.NonRetryable || marked(err)
	for i, n := range c.nodes[1:] {
		c.nodes[i].Cause = n
	}
	return top
}

// maxVisits bounds how much of an error's tree is looked at: an Unwrap that
// makes a new error each time has no end.
const maxVisits = 16 * history.MaxFailureDepth

// chain lays the tree of an error out, the error itself first.
type chain struct {
	nodes  []*history.Failure
	visits int
}

func (c *chain) full() bool {
	return c.visits >= maxVisits || len(c.nodes) > history.MaxFailureDepth
}

func (c *chain) add(n *history.Failure) {
	if len(c.nodes) <= history.MaxFailureDepth {
		c.nodes = append(c.nodes, n)
	}
}

func (c *chain) walk(err error) {
	if err == nil || c.full() {
		return
	}
	c.visits++
	if carried, own := carriedBy(err); carried != nil {
		if len(c.nodes) == 0 && !own {
			c.add(&history.Failure{Kind: history.FailureError, Message: message(err)})
		}
		for f := range All(carried) {
			n := *f
			n.Cause = nil
			c.add(&n)
		}
		return
	}
	causes := unwrap(err)
	if c.keeps(err, len(causes)) {
		c.add(describe(err))
		c.addSentinels(err)
	}
	for _, cause := range causes {
		c.walk(cause)
	}
}

// keeps reports whether an error has a place of its own in the chain.
func (c *chain) keeps(err error, causes int) bool {
	if _, mark := err.(*nonRetryable); mark {
		return false
	}
	_, coded := codeOf(err)
	return coded || len(c.nodes) == 0 || causes == 0 || !anonymous(err)
}

// addSentinels adds the registered errors that the error itself claims to be,
// by a method Is.
func (c *chain) addSentinels(err error) {
	is, ok := err.(interface{ Is(error) bool })
	if !ok {
		return
	}
	for _, s := range registered() {
		if !same(err, s.err) && safely(false, func() bool { return is.Is(s.err) }) {
			c.add(&history.Failure{Kind: history.FailureError, Type: s.code, Message: message(s.err)})
		}
	}
}

// describe is the failure of one error, without its causes.
func describe(err error) *history.Failure {
	f := &history.Failure{Kind: kindOf(err), Message: message(err)}
	if code, ok := codeOf(err); ok {
		f.Type = code
		return f
	}
	if anonymous(err) {
		return f
	}
	f.Type = typeName(reflect.TypeOf(err))
	if f.Type != "" {
		f.Details = encode(err)
	}
	return f
}

// kindOf tells timeouts, cancellations and limits from other errors, as
// errors.Is would, except that what a carrier brought is the trouble of another
// hop.
func kindOf(err error) history.FailureKind {
	kind := history.FailureError
	find(err, func(err error) bool {
		carried, own := carriedBy(err)
		_, limit := err.(*history.LimitError)
		switch {
		case own:
			kind = carried.Kind
		case limit:
			kind = history.FailureLimit
		case is(err, context.DeadlineExceeded):
			kind = history.FailureTimeout
		case is(err, context.Canceled):
			kind = history.FailureCancelled
		}
		return kind != history.FailureError
	})
	return kind
}

// find walks the tree of an error, short of what carriers brought, until found
// says yes.
func find(err error, found func(error) bool) bool {
	visits := 0
	var walk func(error) bool
	walk = func(err error) bool {
		if visits++; err == nil || visits > maxVisits {
			return false
		}
		if carried, own := carriedBy(err); carried != nil {
			return own && found(err)
		}
		return found(err) || slices.ContainsFunc(unwrap(err), walk)
	}
	return walk(err)
}

// is reports whether an error, its causes aside, is the target.
func is(err, target error) bool {
	if same(err, target) {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && safely(false, func() bool { return x.Is(target) })
}

func same(a, b error) bool { return safely(false, func() bool { return a == b }) }

// carriedBy is the failure that an error carries, and whether it is the stored
// form of the error itself.
func carriedBy(err error) (f *history.Failure, own bool) {
	c, ok := err.(Carrier)
	if !ok {
		return nil, false
	}
	f = safely(nil, c.Failure)
	return f, f != nil && f.Message == message(err)
}

func unwrap(err error) []error {
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		if cause := safely(nil, x.Unwrap); cause != nil {
			return []error{cause}
		}
	case interface{ Unwrap() []error }:
		return safely(nil, x.Unwrap)
	}
	return nil
}

// anonymous reports whether the type of an error says nothing: those that the
// standard library makes of a text, or of a text and other errors.
func anonymous(err error) bool { return anonymousTypes[reflect.TypeOf(err)] }

var anonymousTypes = map[reflect.Type]bool{
	reflect.TypeOf(errors.New("x")):                                        true,
	reflect.TypeOf(errors.Join(errors.New("x"))):                           true,
	reflect.TypeOf(fmt.Errorf("x")):                                        true,
	reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported)):                true,
	reflect.TypeOf(fmt.Errorf("%w%w", context.Canceled, context.Canceled)): true,
	reflect.TypeOf(context.Canceled):                                       true,
	reflect.TypeOf(context.DeadlineExceeded):                               true,
}

// typeName names a type across processes: "import/path.Type".
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() == "" || t.PkgPath() == "" {
		return ""
	}
	return t.PkgPath() + "." + t.Name()
}

// message is the text of an error.
func message(err error) string {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return cut(safely("nil "+v.Type().String(), err.Error), history.MaxFailureMessage)
	}
	return cut(safely(fmt.Sprintf("(the Error method of %T panicked)", err), err.Error), history.MaxFailureMessage)
}

// cut shortens a text to a number of bytes, with a mark, and makes it valid
// UTF-8.
func cut(s string, limit int) string { //nolint:unparam // The limits of messages and of stacks happen to be equal.
	const mark = "… (cut)"
	if len(s) > limit {
		end := limit - len(mark)
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + mark
	}
	return strings.ToValidUTF8(s, "?")
}

// safely is what fn returns, or otherwise if it panics.
func safely[T any](otherwise T, fn func() T) (out T) {
	defer func() {
		if recover() != nil {
			out = otherwise
		}
	}()
	return fn()
}
