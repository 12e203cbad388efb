package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// derive makes a new seed from a seed and a purpose, 32 hexadecimal digits.
// Whoever knows the seed can derive it again, in any process.
func derive(seed, purpose string) string {
	sum := sha256.Sum256([]byte(seed + " " + purpose))
	return hex.EncodeToString(sum[:16])
}

// unit is a number in [0, 1) that is a function of its arguments.
func unit(seed string, event int64, attempt int) float64 {
	sum := sha256.Sum256([]byte(seed + " jitter " + strconv.FormatInt(event, 10) + " " + strconv.Itoa(attempt)))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}
