package verify

import (
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/core/history"
)

// contents says what is wrong with what an event holds (V6), nothing if all is
// well. It goes by the types of fields, so that it covers kinds to come.
func contents(d history.Data) string {
	v := reflect.ValueOf(d).Elem()
	for field, value := range v.Fields() {
		if problem := fieldContents(d, field, value); problem != "" {
			return problem
		}
	}
	return ""
}

func fieldContents(d history.Data, field reflect.StructField, value reflect.Value) string {
	switch held := value.Interface().(type) {
	case history.Payload:
		return payloadContents(field.Name, held, mostBytes(d, field.Name))
	case map[string]history.Payload:
		for key, p := range held {
			if problem := payloadContents(field.Name+" "+key, p, history.MaxStateValueBytes); problem != "" {
				return problem
			}
		}
	case []history.CarriedEvent:
		for i, c := range held {
			if problem := payloadContents(fmt.Sprintf("carried event %d", i+1), c.Payload, history.MaxPayloadBytes); problem != "" {
				return problem
			}
		}
	case *history.Failure:
		if _, inline := d.(*history.InlineRan); held == nil && !inline {
			return "it does not say what failed"
		}
	case history.InstanceID:
		return textContents(field.Name, string(held), history.MaxInstanceIDLength)
	case string:
		if field.Name == "Name" || field.Name == "Key" {
			return textContents(field.Name, held, history.MaxNameLength)
		}
	}
	return ""
}

func mostBytes(d history.Data, field string) int {
	switch d.(type) {
	case *history.StateSet:
		return history.MaxStateValueBytes
	case *history.StatusSet:
		return history.MaxStatusBytes
	}
	if field == "Status" {
		return history.MaxStatusBytes
	}
	return history.MaxPayloadBytes
}

func payloadContents(what string, p history.Payload, most int) string {
	switch {
	case p == nil:
		return ""
	case len(p) > most:
		return fmt.Sprintf("%s is %d bytes, more than the limit of %d", what, len(p), most)
	case !json.Valid(p):
		return what + " is not valid JSON"
	}
	return ""
}

func textContents(what, s string, most int) string {
	switch {
	case s == "":
		return what + " is empty"
	case len(s) > most:
		return fmt.Sprintf("%s is %d bytes, more than the limit of %d", what, len(s), most)
	case !utf8.ValidString(s):
		return what + " is not valid UTF-8"
	}
	return ""
}
