package row

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

// Numbers is a set of numbers from 1 on, kept as disjoint, ascending ranges
// [first, last] that do not touch: mostly one.
type Numbers [][2]int64

// Has reports whether n is in the set.
func (s Numbers) Has(n int64) bool {
	_, found := s.find(n)
	return found
}

func (s Numbers) find(n int64) (int, bool) {
	return slices.BinarySearchFunc(s, n, func(r [2]int64, n int64) int {
		switch {
		case r[1] < n:
			return -1
		case r[0] > n:
			return 1
		}
		return 0
	})
}

// With is the set with n in it. The set itself does not change.
func (s Numbers) With(n int64) Numbers {
	i, found := s.find(n)
	if found {
		return s
	}
	s = slices.Clone(s)
	before := i > 0 && s[i-1][1] == n-1
	after := i < len(s) && s[i][0] == n+1
	switch {
	case before && after:
		s[i-1][1] = s[i][1]
		return slices.Delete(s, i, i+1)
	case before:
		s[i-1][1] = n
		return s
	case after:
		s[i][0] = n
		return s
	}
	return slices.Insert(s, i, [2]int64{n, n})
}

// Latest is the highest number in the set, 0 if there is none.
func (s Numbers) Latest() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1][1]
}

// UpTo is the set with all numbers up to n in it. The set itself does not change.
func (s Numbers) UpTo(n int64) Numbers {
	if n < 1 {
		return s
	}
	first := [2]int64{1, n}
	for len(s) > 0 && s[0][0] <= first[1]+1 {
		first[1] = max(first[1], s[0][1])
		s = s[1:]
	}
	return append(Numbers{first}, s...)
}

// Hash stands for a message that an instance consumed, in a notice row. The
// chance that two of a million messages share one is 10^-17.
func Hash(message string, to history.InstanceID, born string) string {
	h := sha256.New()
	for _, part := range []string{message, string(to), born} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil)[:12])
}
