package lint

import (
	"cmp"
	"flag"
	"fmt"
	"go/constant"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the exported API to the folder api")

// command regenerates the record. It stands in every failure.
const command = "go test ./internal/lint -run TestExportedAPI -update"

// private lists the folders that are no part of what users import.
var private = []string{"internal", "cmd", "samples", "test"}

// TestExportedAPI compares what the public packages export with the record in
// the folder api, one file a package, so that no change of the API goes
// unnoticed: it shows as a diff under review.
func TestExportedAPI(t *testing.T) {
	want := filepath.Join(root, "api")
	got, err := exportedAPI()
	if err != nil {
		t.Fatalf("cannot read the exported API: %v", err)
	}
	recorded, err := filepath.Glob(filepath.Join(want, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range recorded {
		if _, ok := got[filepath.Base(name)]; ok {
			continue
		}
		if !*update {
			t.Errorf("api/%s records a package that no longer exists: if that is meant, run\n\t%s", filepath.Base(name), command)
		} else if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range got {
		file := filepath.Join(want, name)
		if *update {
			if err := os.MkdirAll(want, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		record, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if diff := compare(string(record), text); diff != "" {
			t.Errorf("the exported API differs from api/%s:\n%s\nA line with - breaks whoever uses it: say so in CHANGELOG.md. If the change is meant, run\n\t%s\nand commit the result.", name, diff, command)
		}
	}
}

// exportedAPI lists the API of each public package by the name of its record.
func exportedAPI() (map[string]string, error) {
	all, err := list("-f", "{{if ne .Name \"main\"}}{{.ImportPath}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	public := slices.DeleteFunc(all, func(path string) bool { return !isPublic(path) })
	deps, err := list(append([]string{"-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, public...)...)
	if err != nil {
		return nil, err
	}
	compiled := make(map[string]string) // import path to export data
	for _, line := range deps {
		path, export, _ := strings.Cut(line, "\t")
		compiled[path] = export
	}
	source := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(compiled[path])
	})
	api := make(map[string]string)
	for _, path := range public {
		pkg, err := source.Import(path)
		if err != nil {
			return nil, err
		}
		if text := describe(pkg); text != "" {
			rel := strings.TrimPrefix(path, module+"/")
			api[strings.ReplaceAll(rel, "/", ".")+".txt"] = text
		}
	}
	return api, nil
}

// list runs go list in the root of the repository and returns its lines.
func list(args ...string) ([]string, error) {
	var complaints strings.Builder
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &complaints)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(s string) bool { return s == "" }), nil
}

func isPublic(importPath string) bool {
	parts := strings.Split(strings.TrimPrefix(importPath, module+"/"), "/")
	return !slices.Contains(parts, "internal") && !slices.Contains(private, parts[0])
}

// describe lists the exported declarations of a package, one a line, sorted.
func describe(pkg *types.Package) string {
	var lines []string
	qualify := func(p *types.Package) string {
		if p == pkg {
			return ""
		}
		return p.Name()
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)+"\n") }
	for _, name := range pkg.Scope().Names() {
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			if o.Exported() {
				add("const %s %s = %s", name, types.TypeString(o.Type(), qualify), value(o.Val()))
			}
		case *types.TypeName:
			if o.Exported() {
				describeType(o, qualify, add)
			}
		default:
			if o.Exported() {
				add("%s", types.ObjectString(o, qualify))
			}
		}
	}
	return strings.Join(lines, "")
}

func value(v constant.Value) string {
	if v.Kind() == constant.String {
		return fmt.Sprintf("%q", constant.StringVal(v))
	}
	return v.ExactString()
}

// describeType lists a type, its exported fields and its methods, promoted
// ones included: they are part of what users may call.
func describeType(o *types.TypeName, qualify types.Qualifier, add func(string, ...any)) {
	under := o.Type().Underlying()
	if o.IsAlias() {
		add("%s", types.ObjectString(o, qualify))
		return
	}
	switch u := under.(type) {
	case *types.Struct:
		add("type %s struct", head(o, qualify))
		for field := range u.Fields() {
			if field.Exported() {
				add("field %s.%s %s", o.Name(), field.Name(), types.TypeString(field.Type(), qualify))
			}
		}
	case *types.Interface:
		sealed := ""
		for m := range u.Methods() {
			if !m.Exported() {
				sealed = " (sealed: has unexported methods)"
			}
		}
		add("type %s interface%s", head(o, qualify), sealed)
		if !u.IsMethodSet() {
			add("union %s %s", o.Name(), types.TypeString(u, qualify))
		}
	default:
		add("type %s %s", head(o, qualify), types.TypeString(under, qualify))
	}
	receiver := o.Type()
	if !types.IsInterface(receiver) {
		receiver = types.NewPointer(receiver) // its method set is the larger one
	}
	for sel := range types.NewMethodSet(receiver).Methods() {
		if m := sel.Obj().(*types.Func); m.Exported() {
			star := ""
			if _, ok := m.Signature().Recv().Type().(*types.Pointer); ok {
				star = "*"
			}
			signature := strings.TrimPrefix(types.TypeString(sel.Type(), qualify), "func")
			add("method (%s%s) %s%s", star, o.Name(), m.Name(), signature)
		}
	}
}

// head is the name of a type with its type parameters.
func head(o *types.TypeName, qualify types.Qualifier) string {
	return types.TypeString(o.Type(), qualify)
}

// compare returns the lines that only one of two sorted texts has, the old ones
// marked with -, the new ones with +.
func compare(old, current string) string {
	type change struct{ line, mark string }
	var changes []change
	oldLines, newLines := strings.SplitAfter(old, "\n"), strings.SplitAfter(current, "\n")
	for _, line := range oldLines {
		if !slices.Contains(newLines, line) {
			changes = append(changes, change{line, "-"})
		}
	}
	for _, line := range newLines {
		if !slices.Contains(oldLines, line) {
			changes = append(changes, change{line, "+"})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.line, b.line) })
	var diff strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&diff, "  %s %s\n", c.mark, strings.TrimSuffix(c.line, "\n"))
	}
	return diff.String()
}
