package main

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		name string
		in   string
		want string
		ok   bool
	}{
		{
			name: "passing tests are silent, skipped ones say why",
			in: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"B","Output":"b_test.go:1: needs an account\n"}
{"Action":"skip","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			want: "b_test.go:1: needs an account\nok  \tp\t0.1s\n\n1 passed, 0 failed, 1 skipped\n",
			ok:   true,
		},
		{
			name: "a failing test is shown and counted once",
			in: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"=== RUN   A\n"}
{"Action":"output","Package":"p","Test":"A","Output":"want 1\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p"}
`,
			want: "want 1\nFAIL\n\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a package that does not compile is a failure",
			in: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`,
			want: "p.go:1: undefined: x\nFAIL\tp [build failed]\n\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a process that dies shows the test that ran",
			in: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"B","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\n"}
{"Action":"fail","Package":"p"}
`,
			want: "panic: boom\nFAIL\tp\n\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a stream that breaks off is a failure",
			in: `{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"B","Output":"so far\n"}
`,
			want: "so far\n\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "no test at all is no success, other lines are kept",
			in:   "go: downloading x\n{\"Action\":\"output\",\"Package\":\"p\",\"Output\":\"?   \\tp\\t[no test files]\\n\"}\n{\"Action\":\"skip\",\"Package\":\"p\"}\n",
			want: "go: downloading x\n?   \tp\t[no test files]\n\n0 passed, 0 failed, 0 skipped\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out)
			if err := s.read(strings.NewReader(test.in)); err != nil {
				t.Fatal(err)
			}
			if ok := s.finish(); ok != test.ok || out.String() != test.want {
				t.Errorf("success %v, want %v; printed\n%q\nwant\n%q", ok, test.ok, out.String(), test.want)
			}
		})
	}
}
