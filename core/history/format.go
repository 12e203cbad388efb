package history

// Formats of stored events. A format number is never reused, and every format
// ever written stays readable; testdata/golden holds histories of each.
const (
	// Format1 is the first format: one JSON object an event, the common fields
	// beside "kind", the fields of the kind under "data". Fields for versions,
	// tags, sessions, deadlines, parents, trace context and ids given by remote
	// workers are part of it from the start, so that the features that need
	// them need no new format.
	Format1 = 1

	// FormatNewest is the format that this program writes.
	FormatNewest = Format1
)
