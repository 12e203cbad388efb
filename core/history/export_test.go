package history

import "slices"

// Kinds are all kinds of events, sorted.
func Kinds() []Kind {
	var kinds []Kind
	for kind := range newData {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// NewData is an empty value of a kind.
func NewData(kind Kind) Data { return newData[kind]() }

// Encoding and decoding by encoding/json alone, which defines the format.
var (
	ReferenceMarshal   = marshalData
	ReferenceUnmarshal = unmarshalEvent
)

// ReadByHand reads what Append writes for frequent kinds.
var ReadByHand = readEvent

// ScanValue finds the end of a JSON value.
var ScanValue = scanValue
