package verify_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/verify"
)

var update = flag.Bool("update", false, "write the golden reports")

func TestReportsArePrintedAsEver(t *testing.T) {
	broken := healthy()
	broken.rows["order-7"].Output = nil
	broken.out["slow-1"].Activities = nil
	broken.rows["slow-1"].Parked = &provider.Parked{Reason: "no handler for slow", Since: at(1)}
	for name, f := range map[string]*fake{"passed": healthy(), "failed": broken} {
		t.Run(name, func(t *testing.T) {
			report := audit(t, f, verify.Options{Effects: []string{"charge", "pack"}})
			if err := verify.Effects(report, rows(charged, packed, repeat(packed))); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			if err := report.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("the text differs (-golden +now):\n%s", diff)
			}
		})
	}
}

func TestReportsAreJSON(t *testing.T) {
	f := healthy()
	f.rows["order-7"].Output = nil
	encoded, err := json.Marshal(audit(t, f, verify.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	var report verify.Report
	if err := json.Unmarshal(encoded, &report); err != nil {
		t.Fatal(err)
	}
	if report.OK() || report.Instances != 12 || report.Findings[0].Rule != verify.Row || report.Findings[0].Instance != "order-7" {
		t.Errorf("%s", encoded)
	}
}
