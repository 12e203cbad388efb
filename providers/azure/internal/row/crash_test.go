package row_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// TestWhatKillsIsFoundAndNobodyElse: an owner runs some suspects, as many as it may,
// and others, some of which end in time. It dies whenever the killer runs, and may
// die for another reason before. The killer is in quarantine after few deaths, and
// nobody else ever.
func TestWhatKillsIsFoundAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const killer = "killer"
		others := rapid.IntRange(0, 40).Draw(t, "others")
		var work []string
		for i := range others {
			work = append(work, fmt.Sprint("innocent-", i))
		}
		work = append(work, killer)
		var c *row.Crash
		deaths := 0
		for len(quarantined(c)) == 0 {
			order := rapid.Permutation(work).Draw(t, "order")
			c = lives(t, c.Taken(), order, killer).Died(1)
			if deaths++; deaths > 12 {
				t.Fatalf("the killer is not found after %d deaths: %+v", deaths, c)
			}
		}
		if got := quarantined(c); len(got) != 1 || got[0] != killer {
			t.Fatalf("in quarantine are %v, want the killer alone", got)
		}
		if c.Count != 0 || len(c.Suspects) != 0 {
			t.Errorf("after that the partition is %+v, want it calm", c)
		}
	})
}

func quarantined(c *row.Crash) (all []string) {
	if c != nil {
		for piece := range c.Quarantined {
			all = append(all, piece)
		}
	}
	return all
}

// lives is what head says when the owner dies of the killer: suspects beside it may
// have ended, and are acquitted then.
func lives(t *rapid.T, c *row.Crash, order []string, killer string) *row.Crash {
	if c == nil {
		return nil // calm: nothing is named
	}
	for {
		after := *c
		after.Named = nil
		suspects := 0
		for _, piece := range order {
			if slices.Contains(c.Suspects, piece) {
				if suspects == c.Width() {
					continue
				}
				if suspects++; len(c.Suspects) == 1 {
					after.Trial = piece
				}
			}
			after.Named = append(after.Named, piece)
			if piece == killer {
				return &after
			}
		}
		// The killer waits for others, of which at least one comes to an end.
		i := rapid.IntRange(0, suspects-1).Draw(t, "ends")
		for _, piece := range after.Named {
			if slices.Contains(c.Suspects, piece) {
				if i == 0 {
					without := c.Without(piece)
					c = &without
				}
				i--
			}
		}
	}
}

func TestAnOwnerThatDiesBeforeItBeginsAnythingBlamesNobody(t *testing.T) {
	c := (&row.Crash{Count: 3, Suspects: []string{"a"}, Alone: 2}).Died(1)
	if fmt.Sprint(c.Suspects) != "[a]" || c.Alone != 2 || c.Quarantined != nil {
		t.Errorf("it is %+v, want a the suspect as before", c)
	}
	c = (&row.Crash{Count: 3, Suspects: []string{"a"}, Alone: 2, Named: []string{"b"}}).Died(1)
	if fmt.Sprint(c.Suspects) != "[b]" || c.Alone != 0 {
		t.Errorf("it is %+v, want b the suspect, which ran", c)
	}
	c = (&row.Crash{Count: 3, Suspects: []string{"a"}, Alone: 2, Named: []string{"a", "b"}}).Died(1)
	if fmt.Sprint(c.Suspects) != "[a]" || c.Alone != 2 {
		t.Errorf("it is %+v, want no blame for a death that was no trial", c)
	}
}

func TestAPieceOfWorkHasAShortName(t *testing.T) {
	turn, work, again := row.Piece("order", "", 0, 0, 0), row.Piece("order", "b", 1, 2, 1), row.Piece("order", "b", 1, 2, 2)
	if turn == work || work == again || row.Piece("order-1", "", 0, 0, 0) == turn || len(turn) > 16 {
		t.Errorf("the names are %q, %q and %q", turn, work, again)
	}
}
