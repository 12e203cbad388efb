package bench

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
)

// Report is the outcome of a run. Its JSON is a format that users' tools read:
// fields are added at the end, never renamed.
type Report struct {
	Workload                string     `json:"workload"`
	Store                   string     `json:"store"`
	Client                  ClientMode `json:"client"`
	Instances               int        `json:"instances"`
	N                       int        `json:"n"`
	WallSeconds             float64    `json:"wall_seconds"`
	OrchestrationsPerSecond float64    `json:"orchestrations_per_second"`
	ActivitiesPerSecond     float64    `json:"activities_per_second"`
	LatencyMillis           Latency    `json:"latency_ms"`
	CPUSeconds              float64    `json:"cpu_seconds"` // of all processes of the run
	MaxRSSMiB               float64    `json:"max_rss_mib"` // of the worker's process
	Replays                 int64      `json:"replays"`
	EventsReplayed          int64      `json:"events_replayed"`
	StoreTransactions       int64      `json:"store_transactions"`
	StorageOperations       Operations `json:"storage_operations"`
	RawLimit                RawLimit   `json:"raw_limit"`
	RatioToRawLimit         float64    `json:"ratio_to_raw_limit"`
	Entities                *Entities  `json:"entities,omitempty"` // on Azure Storage
}

// Entities is what a run cost on Azure Storage.
type Entities struct {
	// TransactionsPerOrchestration are all billed operations of the run,
	// heartbeats and polls included, divided; PerActivity likewise.
	TransactionsPerOrchestration float64 `json:"transactions_per_orchestration"`
	TransactionsPerActivity      float64 `json:"transactions_per_activity"`
	// RowsPerOrchestration are the rows that entity groups wrote, the heads of
	// partitions apart; RowsPerGroup is how many went together.
	RowsPerOrchestration float64 `json:"rows_per_orchestration"`
	RowsInserted         float64 `json:"rows_inserted_per_orchestration"`
	RowsChanged          float64 `json:"rows_changed_per_orchestration"`
	RowsDeleted          float64 `json:"rows_deleted_per_orchestration"`
	RowsPerGroup         float64 `json:"rows_per_group"`
	// RawRowsPerSecond is what a bare loop of equal entity groups wrote.
	RawRowsPerSecond float64 `json:"raw_rows_per_second"`
	// RawGroupMillis is how long a lonely group of one row took, at the median.
	RawGroupMillis float64 `json:"raw_group_ms"`
	// CommitMillis is how long an entity group of the run took, at the median of
	// those of this process.
	CommitMillis float64 `json:"commit_ms"`
	// DTF is the Durable Task Framework's Azure Storage backend: how many
	// transactions it needs for an orchestration of this shape, and how many
	// orchestrations a bare loop of as many would be, with one row each, in
	// partitions as full; 0 where no figure is known. Times is how often that this run was.
	DTFTransactions int     `json:"dtf_transactions"`
	DTFPerSecond    float64 `json:"dtf_per_second"`
	TimesDTF        float64 `json:"times_dtf"`
	// RowsPerPartition is how many rows a partition held, averaged over the run:
	// so many the bare loops find in theirs.
	RowsPerPartition int `json:"rows_per_partition"`
	// FullGroupsPerSecond is the raw limit if all groups had a hundred rows, the
	// most that the service takes; Ratio is what the run reached of it.
	FullGroupsPerSecond float64 `json:"full_groups_per_second"`
	RatioToFullGroups   float64 `json:"ratio_to_full_groups"`
}

// Latency is per orchestration, from accepted start to visible completion.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Operations counts the billed operations of an Azure Storage account, 0
// elsewhere.
type Operations struct {
	Total  int64            `json:"total"`
	Table  int64            `json:"table"`
	Queue  int64            `json:"queue"`
	Blob   int64            `json:"blob"`
	ByName map[string]int64 `json:"by_name"`
}

// RawLimit is what the store reached without an engine.
type RawLimit struct {
	Description string  `json:"description"`
	PerSecond   float64 `json:"per_second"`
}

const rawDescription = "orchestrations per second of a bare loop over the store's contract, run before in the same process: " +
	"the same sends, turns, commits and activity completions, of the same shape and sizes and as many at once, made by hand; " +
	"no replay, no orchestration code"

// latencies sums up sorted nanoseconds.
func latencies(sorted []int64) Latency {
	at := func(share float64) float64 {
		i := int(math.Ceil(share*float64(len(sorted)))) - 1 // nearest rank
		return round(float64(sorted[max(i, 0)])/float64(time.Millisecond), 3)
	}
	return Latency{P50: at(0.50), P90: at(0.90), P99: at(0.99), Max: at(1)}
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

func perSecond(count int, wallNanos int64) float64 {
	return round(float64(count)/max(float64(wallNanos)/float64(time.Second), 1e-9), 4)
}

// Show writes the report for people.
func (r *Report) Show(s *screen.Screen) {
	row := func(what, value, note string) []screen.Cell {
		return []screen.Cell{{Text: what, Style: screen.Dim}, {Text: value, Style: screen.Bold}, {Text: note}}
	}
	num := func(v float64) string {
		if v < 10 {
			return fmt.Sprintf("%.3f", v)
		}
		return fmt.Sprintf("%.1f", v)
	}
	ms := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	rows := [][]screen.Cell{
		row("wall time", fmt.Sprintf("%.3f", r.WallSeconds), "s"),
		row("orchestrations", num(r.OrchestrationsPerSecond), "per second"),
	}
	if r.ActivitiesPerSecond > 0 {
		rows = append(rows, row("activities", num(r.ActivitiesPerSecond), "per second"))
	}
	percent := func(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }
	if e := r.Entities; e != nil {
		rows = append(rows,
			row("raw limit in groups as large as ours", num(r.RawLimit.PerSecond), fmt.Sprintf("per second, without an engine; %s rows each, in partitions of %d", num(e.RowsPerGroup), e.RowsPerPartition)),
			row("reached of it", percent(r.RatioToRawLimit), ""),
			row("raw limit in full groups", num(e.FullGroupsPerSecond), "per second, without an engine; 100 rows each, in such partitions"),
			row("reached of it", percent(e.RatioToFullGroups), ""))
	} else {
		rows = append(rows,
			row("raw limit of the store", num(r.RawLimit.PerSecond), "per second, without an engine"),
			row("reached of it", percent(r.RatioToRawLimit), ""))
	}
	rows = append(rows,
		row("latency p50", ms(r.LatencyMillis.P50), "ms from accepted start to visible completion"),
		row("latency p90", ms(r.LatencyMillis.P90), "ms"),
		row("latency p99", ms(r.LatencyMillis.P99), "ms"),
		row("latency max", ms(r.LatencyMillis.Max), "ms"),
		row("processor time", fmt.Sprintf("%.2f", r.CPUSeconds), "s of all processes"),
		row("memory", num(r.MaxRSSMiB), "MiB at most, of the worker's process"),
		row("replays", fmt.Sprint(r.Replays), fmt.Sprintf("of %d events; 0 in steady state", r.EventsReplayed)),
	)
	if r.StoreTransactions > 0 {
		rows = append(rows, row("store transactions", fmt.Sprint(r.StoreTransactions), ""))
	}
	if r.StorageOperations.Total > 0 {
		o := r.StorageOperations
		rows = append(rows, row("storage operations", fmt.Sprint(o.Total), fmt.Sprintf("tables %d, queues %d, blobs %d", o.Table, o.Queue, o.Blob)))
	}
	if e := r.Entities; e != nil {
		rows = append(rows, row("transactions", num(e.TransactionsPerOrchestration), "per orchestration, heartbeats and polls included"))
		if e.TransactionsPerActivity > 0 {
			rows = append(rows, row("", num(e.TransactionsPerActivity), "per activity"))
		}
		rows = append(rows,
			row("rows written", num(e.RowsPerOrchestration), fmt.Sprintf("per orchestration: %s inserted, %s changed, %s deleted; %s in an entity group",
				num(e.RowsInserted), num(e.RowsChanged), num(e.RowsDeleted), num(e.RowsPerGroup))),
			row("an entity group of the run", ms(e.CommitMillis), fmt.Sprintf("ms, at the median; latency p50 is %s of them", num(r.LatencyMillis.P50/max(e.CommitMillis, 1e-9)))),
			row("a bare entity group", ms(e.RawGroupMillis), "ms, alone, of one row, at the median"))
		if e.DTFTransactions > 0 {
			rows = append(rows,
				row("DTF's limit", num(e.DTFPerSecond), fmt.Sprintf("per second: %d transactions each, from a bare loop of groups of one row in such partitions", e.DTFTransactions)),
				row("reached of that", num(e.TimesDTF), "times"))
		}
	}
	s.Line("%s on %s, client %s: %d instances, n %d", r.Workload, r.Store, r.Client, r.Instances, r.N)
	s.Table([]screen.Column{{Head: ""}, {Head: "", Right: true}, {Head: ""}}, rows)
	for _, name := range slices.SortedFunc(maps.Keys(r.StorageOperations.ByName), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.StorageOperations.ByName[b], r.StorageOperations.ByName[a]), cmp.Compare(a, b))
	}) {
		s.Line("  %s", s.Paint(screen.Dim, fmt.Sprintf("%8d %s", r.StorageOperations.ByName[name], name)))
	}
}
