package failure

import (
	"encoding"
	"encoding/json"
	"reflect"

	"github.com/duroxide/duroxide-go/core/history"
)

var errorType = reflect.TypeFor[error]()

// encode is the JSON of an error value, nil if its type has nothing to show or
// shows more than [history.MaxFailureDetails].
func encode(err error) history.Payload {
	return safely(nil, func() history.Payload {
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return nil
			}
			v = v.Elem()
		}
		if !shows(v.Type()) {
			return nil
		}
		// The encoder sees a copy: by pointer, so that marshalers with pointer
		// receivers are found, and without the cause, which travels beside it.
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		if field, ok := causeField(p.Elem()); ok {
			field.SetZero()
		}
		data, failed := json.Marshal(p.Interface())
		if failed != nil || len(data) > history.MaxFailureDetails {
			return nil
		}
		return data
	})
}

// shows reports whether values of a type show themselves in JSON.
func shows(t reflect.Type) bool {
	switch reflect.New(t).Interface().(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && !f.Anonymous && f.Type != errorType {
				return true
			}
		}
		return false
	case reflect.Interface, reflect.Pointer, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return false
	}
	return true
}

// causeField is the one exported field of type error of a struct: what
// wrappers such as fs.PathError keep their cause in.
func causeField(v reflect.Value) (reflect.Value, bool) {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	var found reflect.Value
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Type != errorType || !f.IsExported() {
			continue
		}
		if found.IsValid() {
			return reflect.Value{}, false
		}
		if found, _ = v.FieldByIndexErr(f.Index); !found.IsValid() {
			return reflect.Value{}, false
		}
	}
	return found, found.IsValid() && found.CanSet()
}

// decode makes a value of type t, or of what t points to, of the details of a
// failure. One that could not even say what it says is refused.
func decode(f *history.Failure, t reflect.Type) (reflect.Value, bool) {
	value := safely(reflect.Value{}, func() reflect.Value {
		elem := t
		if t.Kind() == reflect.Pointer {
			elem = t.Elem()
		}
		p := reflect.New(elem)
		if json.Unmarshal(f.Details, p.Interface()) != nil {
			return reflect.Value{}
		}
		if field, ok := causeField(p.Elem()); ok && field.IsNil() && f.Cause != nil {
			field.Set(reflect.ValueOf(Error(f.Cause)))
		}
		v := p
		if t.Kind() != reflect.Pointer {
			v = p.Elem()
		}
		_ = v.Interface().(error).Error() // panics if it needs what did not travel
		return v
	})
	return value, value.IsValid()
}
