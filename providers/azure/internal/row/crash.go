package row

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

// Crash is what the owner row knows of owners that died, while that matters. It is
// never changed in place.
type Crash struct {
	// Count is how many died since the last one that lived for long.
	Count int `json:"count,omitempty"`
	// Named are the pieces of work that the owner runs, or is about to; see
	// [Piece].
	Named []string `json:"named,omitempty"`
	// Suspects are those that were named whenever an owner died.
	Suspects []string `json:"suspects,omitempty"`
	// Trial is the last suspect, while it runs without any other of the process;
	// Alone is how many owners died in its trials.
	Trial string `json:"trial,omitempty"`
	Alone int    `json:"alone,omitempty"`
	// Quarantined do not run before a time, in nanoseconds.
	Quarantined map[string]int64 `json:"quarantined,omitempty"`
}

// MostAlone is how many owners may die in the trials of one suspect.
const MostAlone = 3

// Piece is the turns of an instance, or an attempt of an activity of it, as the
// owner row names it: ids are too long for that. Activities go on when their instance
// is purged, and so their names tell it, by when it was born, from others of its id.
func Piece(id history.InstanceID, born string, execution, event int64, attempt int) string {
	sum := sha256.Sum256([]byte(string(id) + born))
	name := hex.EncodeToString(sum[:8])
	if event == 0 {
		return name
	}
	return fmt.Sprintf("%s/%d/%d/%d", name, execution, event, attempt)
}

// Last reports whether one piece of work is the only suspect, and owners died so
// often that others are to wait until it has run alone. Two deaths in a row are no
// reason: what runs for long is there at both.
func (c *Crash) Last() bool { return len(c.Suspects) == 1 && c.Count >= fewDeaths }

// fewDeaths in a row may have any reason.
const fewDeaths = 3

// Died is what is known after the owner has died. Who is in quarantine then is so
// until a time.
func (c *Crash) Died(until int64) *Crash {
	after := &Crash{Count: 1}
	if c == nil {
		return after
	}
	after.Count = c.Count + 1
	after.Quarantined = c.Quarantined
	named := func(piece string) bool { return slices.Contains(c.Named, piece) }
	for _, s := range c.Suspects {
		if named(s) {
			after.Suspects = append(after.Suspects, s)
		}
	}
	switch {
	case len(c.Named) == 0: // it ran nothing yet: what killed it is elsewhere in its process
		after.Suspects, after.Alone = c.Suspects, c.Alone
	case len(after.Suspects) == 0: // none of them did it
		after.Suspects = c.Named
	case len(after.Suspects) == 1 && c.Trial == after.Suspects[0]:
		after.Alone = c.Alone + 1
	case len(after.Suspects) == 1 && len(c.Suspects) == 1:
		after.Alone = c.Alone // it ran, but not alone
	}
	if after.Alone >= MostAlone {
		after = after.quarantine(after.Suspects[0], until)
	}
	return after
}

// quarantine puts the last suspect there.
func (c *Crash) quarantine(piece string, until int64) *Crash {
	after := *c
	after.Suspects, after.Alone, after.Count = nil, 0, 0
	after.Quarantined = map[string]int64{piece: until}
	for other, at := range c.Quarantined {
		if other != piece {
			after.Quarantined[other] = at
		}
	}
	return &after
}

// Taken is what is known when the partition has changed hands in order: nothing
// runs yet.
func (c *Crash) Taken() *Crash {
	if c == nil {
		return nil
	}
	after := *c
	after.Named, after.Trial = nil, ""
	return &after
}

// Without is what is known when a suspect turns out to be innocent. It does nothing
// for others.
func (c *Crash) Without(piece string) Crash {
	after := *c
	i := slices.Index(c.Suspects, piece)
	if i < 0 {
		return after
	}
	after.Suspects = slices.Delete(slices.Clone(c.Suspects), i, i+1)
	after.Trial, after.Alone = "", 0
	return after
}

// Over reports whether nothing is left to be known.
func (c *Crash) Over() bool {
	return c == nil || c.Count == 0 && len(c.Suspects) == 0 && len(c.Quarantined) == 0
}

// Width is how many suspects run at a time: all of them until owners died often.
func (c *Crash) Width() int {
	if c.Count < fewDeaths {
		return max(1, len(c.Suspects))
	}
	return max(1, min(len(c.Suspects)/2, mostAtATime))
}

// mostAtATime is how many suspects run at a time, however many there are.
const mostAtATime = 8
