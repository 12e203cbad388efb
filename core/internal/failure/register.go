package failure

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/duroxide/duroxide-go/core/history"
)

// sentinels are the registered errors. Readers take a snapshot without a lock:
// errors are registered while the program is set up, and read with each
// failure.
var sentinels struct {
	sync.Mutex // of writers
	current    atomic.Pointer[codes]
}

type codes struct {
	byCode map[string]error
	byErr  map[error]string
	sorted []coded
}

type coded struct {
	code string
	err  error
}

// Register names a sentinel error by a code, under which it is stored: errors.Is
// then finds it in every process that registered the same code. The registry is
// that of the process, as sentinels are. Registering again what is registered
// changes nothing.
//
// It panics for a nil error, one that is not comparable, an invalid code, and a
// code or an error that is taken: these are mistakes in the program, met when
// it starts.
func Register(code string, sentinel error) {
	if err := register(code, sentinel); err != nil {
		panic(err) // panic: a mistake in the program's own set-up; Register is called by package initialisation, which has no error to return.
	}
}

func register(code string, sentinel error) error {
	if err := history.ValidateName("error code", code); err != nil {
		return err
	}
	if sentinel == nil {
		return fmt.Errorf("error code %q is registered with a nil error: declare the sentinel before registering it", code)
	}
	if !reflect.ValueOf(sentinel).Comparable() {
		return fmt.Errorf("error code %q is registered with a %T, which is not comparable: errors.Is could never find it", code, sentinel)
	}
	sentinels.Lock()
	defer sentinels.Unlock()
	next := codes{byCode: map[string]error{}, byErr: map[error]string{}}
	if now := sentinels.current.Load(); now != nil {
		next.byCode, next.byErr = maps.Clone(now.byCode), maps.Clone(now.byErr)
	}
	if other, taken := next.byCode[code]; taken {
		if other == sentinel {
			return nil
		}
		return fmt.Errorf("error code %q is registered twice, with %q and with %q: a code names one error for ever, choose another", code, message(other), message(sentinel))
	}
	if other, taken := next.byErr[sentinel]; taken {
		return fmt.Errorf("the error %q is registered twice, as %q and as %q: keep the first, which stored histories may hold", message(sentinel), other, code)
	}
	next.byCode[code], next.byErr[sentinel] = sentinel, code
	for c, err := range next.byCode {
		next.sorted = append(next.sorted, coded{c, err})
	}
	slices.SortFunc(next.sorted, func(a, b coded) int { return cmp.Compare(a.code, b.code) })
	sentinels.current.Store(&next)
	return nil
}

// registered lists the registered errors by code.
func registered() []coded {
	if now := sentinels.current.Load(); now != nil {
		return now.sorted
	}
	return nil
}

// sentinel is the error of a code, nil if there is none.
func sentinel(code string) error {
	if now := sentinels.current.Load(); now != nil {
		return now.byCode[code]
	}
	return nil
}

func codeOf(err error) (string, bool) {
	now := sentinels.current.Load()
	if now == nil || !reflect.ValueOf(err).Comparable() {
		return "", false
	}
	code, ok := now.byErr[err]
	return code, ok
}
