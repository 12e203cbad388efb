package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action  string `json:"Action"`
	Package string `json:"Package"`
	Test    string `json:"Test"`
	Output  string `json:"Output"`
}

// name identifies a test, or with an empty test the package itself.
type name struct{ pkg, test string }

// summary keeps the output of what still runs, and the counts of what ended.
type summary struct {
	out                     io.Writer
	running                 map[name][]string // output so far
	shown                   map[string]string // output to show when the package ends
	failedTests             map[string]int    // by package
	passed, failed, skipped int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, running: make(map[name][]string), shown: make(map[string]string), failedTests: make(map[string]int)}
}

// read takes events until the end of the stream. A line that is no event is
// printed as it stands.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				fmt.Fprintf(s.out, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "run":
		s.running[n] = nil
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") { // RUN, PAUSE, CONT, NAME
			s.running[n] = append(s.running[n], e.Output)
		}
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(n, e.Action)
		} else {
			s.endTest(n, e.Action)
		}
	}
}

func (s *summary) endTest(n name, result string) {
	switch result {
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
	case "fail":
		s.failed++
		s.failedTests[n.pkg]++
	}
	if result != "pass" {
		s.shown[n.pkg] += strings.Join(s.running[n], "")
	}
	delete(s.running, n)
}

// endPackage prints what the package has to say: everything if it failed,
// otherwise its skipped tests and its last line.
func (s *summary) endPackage(n name, result string) {
	own := s.running[n]
	delete(s.running, n)
	fmt.Fprint(s.out, s.shown[n.pkg])
	delete(s.shown, n.pkg)
	if result != "fail" {
		if len(own) > 0 {
			fmt.Fprint(s.out, own[len(own)-1])
		}
		return
	}
	if s.failedTests[n.pkg] == 0 {
		s.failed++
	}
	s.showUnended(n.pkg)
	fmt.Fprint(s.out, strings.Join(own, ""))
}

// showUnended prints the output of tests that never ended, as when the process
// died: there is the cause.
func (s *summary) showUnended(pkg string) {
	unended := slices.SortedFunc(maps.Keys(s.running), func(a, b name) int { return strings.Compare(a.test, b.test) })
	for _, n := range unended {
		if n.pkg == pkg {
			fmt.Fprint(s.out, strings.Join(s.running[n], ""))
			delete(s.running, n)
		}
	}
}

// finish prints the counts and reports success.
func (s *summary) finish() bool {
	packages := make(map[string]bool)
	for n := range s.running {
		packages[n.pkg] = true
	}
	for _, pkg := range slices.Sorted(maps.Keys(packages)) { // the stream broke off
		s.endPackage(name{pkg: pkg}, "fail")
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.failed == 0 && s.passed > 0
}
