package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/bench"
)

// reportFields is the order in which tools find the fields of the report.
var reportFields = strings.Fields(`workload store client instances n wall_seconds orchestrations_per_second
	activities_per_second latency_ms p50 p90 p99 max cpu_seconds max_rss_mib replays events_replayed
	store_transactions storage_operations total table queue blob by_name raw_limit description per_second
	ratio_to_raw_limit`)

func TestEveryWorkloadIsMeasuredOnEveryStore(t *testing.T) {
	withProcesses(t)
	for _, store := range []string{"memory", "sqlite"} {
		for _, w := range bench.Workloads {
			t.Run(store+"/"+w.Name, func(t *testing.T) {
				small(t, storeIn(t, store), w, "in-process")
			})
		}
	}
	for _, w := range bench.Workloads {
		t.Run("separate client/"+w.Name, func(t *testing.T) {
			small(t, storeIn(t, "sqlite"), w, "separate")
		})
	}
}

func storeIn(t *testing.T, kind string) string {
	t.Helper()
	if kind == "memory" {
		return kind
	}
	return kind + ":" + filepath.Join(t.TempDir(), "bench.db")
}

// small runs a workload in small and checks the report.
func small(t *testing.T, store string, w bench.Workload, client string) {
	t.Helper()
	args := []string{"bench", "--store", store, "--workload", w.Name, "--instances", "4", "--concurrency", "2", "--client", client, "--timeout", "1m", "-o", "json"}
	if !w.FixedN {
		args = append(args, "--n", "9")
	}
	code, stdout, stderr := run(t, args...)
	if code != ExitOK {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	if got := fieldsOf(t, stdout); !slices.Equal(got, reportFields) {
		t.Errorf("fields\n%v, want\n%v", got, reportFields)
	}
	var r bench.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Workload != w.Name || r.Store != store || string(r.Client) != client || r.Instances != 4 {
		t.Errorf("the report is of something else:\n%s", stdout)
	}
	l := r.LatencyMillis
	if r.WallSeconds <= 0 || r.OrchestrationsPerSecond <= 0 || r.RawLimit.PerSecond <= 0 || r.RatioToRawLimit <= 0 ||
		l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
		t.Errorf("figures that cannot be:\n%s", stdout)
	}
	if (r.StoreTransactions > 0) != (store != "memory") {
		t.Errorf("%d store transactions on %s", r.StoreTransactions, store)
	}
	if r.Replays != 0 {
		t.Errorf("%d replays in a steady state", r.Replays)
	}
}

// fieldsOf lists the keys of a JSON text in their order, nested ones too.
func fieldsOf(t *testing.T, text string) (fields []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	type level struct{ object, key bool }
	var levels []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return fields
		}
		if err != nil {
			t.Fatalf("not JSON: %v\n%s", err, text)
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].object {
			if levels[n-1].key = !levels[n-1].key; levels[n-1].key {
				fields = append(fields, token.(string))
				continue
			}
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			levels = append(levels, level{object: token == json.Delim('{')})
		}
	}
}

func TestTheTableNamesTheRawLimit(t *testing.T) {
	code, stdout, stderr := run(t, "bench", "--store", "memory", "--instances", "3")
	if code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"hello5 on memory, client in-process: 3 instances, n 5", "raw limit of the store", "latency p99"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table does not say %q:\n%s", want, stdout)
		}
	}
}

func TestScratchStoresAreRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if code, _, stderr := run(t, "bench", "--instances", "2"); code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestVersionSaysWhichBuildItIs(t *testing.T) {
	code, stdout, _ := run(t, "version", "-o", "json")
	var v version
	if err := json.NewDecoder(bytes.NewReader([]byte(stdout))).Decode(&v); err != nil || code != ExitOK {
		t.Fatalf("exit code %d, %v:\n%s", code, err, stdout)
	}
	if reflect.ValueOf(v).IsZero() || !strings.HasPrefix(v.Go, "go1.") {
		t.Errorf("version %+v", v)
	}
	_, line, _ := run(t, "version")
	if !strings.HasPrefix(line, "duroxide ") || strings.Count(line, "\n") != 1 || !strings.Contains(line, v.Go) {
		t.Errorf("not one line about the build: %q", line)
	}
}
