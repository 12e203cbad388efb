package dispatch

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

const (
	// maxDump bounds the stacks logged of one slow turn, in bytes.
	maxDump = 16 << 10
	// dumpEvery and maxDumpGoroutines bound what looking for stacks costs a
	// process that is slow already.
	dumpEvery         = time.Minute
	maxDumpGoroutines = 20_000
)

// reportSlowTurns warns of turns whose code has been running for too long, each
// once. A turn is never failed for being slow: a loaded machine is slow, too.
func (d *Dispatcher) reportSlowTurns() {
	now := time.Now()
	for _, t := range d.gate.slow(now.Add(-d.config.SlowTurn)) {
		log := d.turnLog(t).With("longer_than", d.config.SlowTurn)
		if now.Sub(d.lastDump) >= dumpEvery && runtime.NumGoroutine() <= maxDumpGoroutines {
			d.lastDump = now
			log = log.With("stacks", stacks(t.Instance.ID))
		}
		log.Warn("the code of a turn has been running for long: what blocks or computes belongs in an activity")
	}
}

// stacks shows the goroutines that work for an instance: those that carry its
// label.
func stacks(id history.InstanceID) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	label := fmt.Sprintf("%q:%q", instanceLabel, string(id))
	var found strings.Builder
	for block := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(block, label) && found.Len()+len(block) < maxDump {
			found.WriteString(block + "\n\n")
		}
	}
	return strings.TrimSpace(found.String())
}
