package history

import "errors"

// ValidateData reports whether the names and payloads in the data keep the
// limits (rule H9). Whoever lets a message into the system checks it with this,
// without having to know what it says.
func ValidateData(d Data) error {
	if d == nil {
		return errors.New("it has no data")
	}
	return contents(d)
}

// ValidateAny is Validate for any instance, also for children, whose derived
// ids contain [ChildSeparator].
func (id InstanceID) ValidateAny() error { return validDerivedID(id) }
