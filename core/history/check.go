package history

// ValidateAny is [InstanceID.Validate] for any instance, also for children,
// whose derived ids contain [ChildSeparator].
func (id InstanceID) ValidateAny() error { return validDerivedID(id) }
