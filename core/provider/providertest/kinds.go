package providertest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// hostile are texts that trip up whoever builds a key, a pattern or a path of
// them.
var hostile = []string{
	"with space", " leading", "trailing ", "tab is not here", "a/b", "/", "../up", `back\slash`, "dot.", ".", "..",
	"100%", "%", "%41", "a_b", "_", "*", "?", "[a-z]", "^", "$", "'", `"`, "''; DROP TABLE instances; --", "`", "#", "&", "=", "+", ",", ";", ":",
	"|", "<b>", "{}", "~", "@", "!", "(x)", "-", "--", "NULL", "null", "0", "-1", "1e3", "true",
	"grün", "ß", "日本語", "🚀", "e\u0301", "\u00e9", "ⅷ", "İ", "ı", "ﬁ", "אבג", "Ω", "\U00010400",
}

// everyKind is one value of each kind of data with all its fields set.
func everyKind() []history.Data {
	all := []history.Data{
		new(history.ExecutionStarted), new(history.ExecutionCompleted), new(history.ExecutionFailed),
		new(history.ExecutionCancelled), new(history.ExecutionTerminated), new(history.ContinuedAsNew),
		new(history.CancelRequested), new(history.ActivityScheduled), new(history.ActivityCompleted),
		new(history.ActivityFailed), new(history.ActivityAttemptFailed), new(history.ActivityRetried),
		new(history.ActivityCancelled), new(history.InlineRan), new(history.ValueRecorded),
		new(history.TimerCreated), new(history.TimerFired), new(history.TimerCancelled),
		new(history.EventAwaited), new(history.EventRaised), new(history.WaitCancelled), new(history.EventSent),
		new(history.ChildScheduled), new(history.ChildCompleted), new(history.ChildFailed), new(history.ChildCancelled),
		new(history.DetachedStarted), new(history.StatusSet), new(history.StateSet), new(history.Patched),
	}
	f := filler{time: time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, time.UTC)}
	for _, data := range all {
		f.fill(reflect.ValueOf(data).Elem(), 0)
	}
	return all
}

// filler sets fields to values of which no two are alike.
type filler struct {
	n    int
	time time.Time
}

func (f *filler) fill(v reflect.Value, depth int) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(f.time.Add(time.Duration(f.n) * time.Second)))
		return
	case history.Payload:
		v.SetBytes(fmt.Appendf(nil, `{"n":%d,"text":"\u0000 <&> \u2028 '\"\\ 日本 🚀","list":[1,null,1e400]}`, f.n))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field, depth)
		}
	case reflect.Pointer:
		if depth < 2 { // failures have causes, which are failures
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0), depth+1)
		f.fill(v.Index(1), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, depth+1)
		f.fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d %s", f.n, hostile[f.n%len(hostile)]))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.25)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(fmt.Sprintf("providertest cannot fill a %v", v.Type())) // panic: a new type of field needs a case here.
	}
}
