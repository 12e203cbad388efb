package doorbell

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

const (
	// minSecretBytes is the shortest secret that is taken: 128 bits.
	minSecretBytes = 16

	// window is how far a request's time may be from the server's. Nonces are
	// remembered for as long as a request with them could be accepted.
	window = 5 * time.Minute

	// maxQueryBytes bounds the query: an id of which every byte is escaped, and
	// the rest.
	maxQueryBytes = 3*history.MaxInstanceIDLength + 1_000

	// maxHeaderBytes bounds the request line and headers together.
	maxHeaderBytes = 8 << 10

	// maxPartition is the largest number of a partition.
	maxPartition = 9_999

	// maxIncarnationBytes bounds the name of the host that is meant.
	maxIncarnationBytes = 100

	headerTimeout = 2 * time.Second  // for the headers to come
	answerTimeout = 5 * time.Second  // for an answer to be taken
	serverIdle    = time.Minute      // between two requests on a connection
	clientIdle    = 30 * time.Second // less than the server's: the client hangs up first
	ringTimeout   = time.Second      // for a ring, with its connection
	longestWait   = 25 * time.Second // proxies and firewalls cut what is silent for longer
	waitTimeout   = longestWait + answerTimeout + ringTimeout
	firstBackoff  = time.Second // after the first failure of an address
	lastBackoff   = time.Minute // after many
	maxAddresses  = 1_024       // of which failures are remembered
	maxWaitsAt    = 1_024       // of a client, at one address
)

const _ = uint(maxHeaderBytes - maxQueryBytes - 500) // the query fits, beside the other headers

// Limits of a [Server]. Zeros are defaults.
type Limits struct {
	// Rate is how many requests a second are accepted, and Burst how many at
	// once after a pause. Defaults 500 and 1,000. Memory for nonces follows:
	// about 24 bytes for each request of five minutes.
	Rate, Burst int
	// Waits is how many may wait at once. Default 1,024.
	Waits int
	// Wait is how long one waits at the most. Default and most: 25 s.
	Wait time.Duration
	// Connections is how many are open at once. Default 2,048.
	Connections int
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field    *int
		default_ int
	}{
		{&l.Rate, 500}, {&l.Burst, 1_000}, {&l.Waits, 1_024}, {&l.Connections, 2_048},
	} {
		if *d.field <= 0 {
			*d.field = d.default_
		}
	}
	if l.Wait <= 0 || l.Wait > longestWait {
		l.Wait = longestWait
	}
	return l
}
