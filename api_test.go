package memberlist

import (
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/api.txt and other goldens anew")

// TestExportedAPI compares the exported API with recorded lists: those of the reference, v0.7.0, and of
// github.com/grafana/memberlist, v0.3.1-0.20260515134459-1798cf41aca7, all of which this library has, and its own, so
// that no change goes unnoticed.
func TestExportedAPI(t *testing.T) {
	got := exportedAPI(t)
	ours := filepath.Join("testdata", "api.txt")
	if *update {
		if err := os.WriteFile(ours, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []string{"reference-api.txt", "grafana-api.txt"} {
		for _, line := range readLines(t, filepath.Join("testdata", list)) {
			if !slices.Contains(got, line) {
				t.Errorf("%s has, and this library has not: %s", list, line)
			}
		}
	}
	recorded := readLines(t, ours)
	for _, line := range recorded {
		if !slices.Contains(got, line) {
			t.Errorf("no longer exported: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(recorded, line) {
			t.Errorf("exported and not recorded (run with -update): %s", line)
		}
	}
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// exportedAPI returns the declarations of the exported API, one a line, sorted, without package paths.
func exportedAPI(t *testing.T) []string {
	t.Helper()
	build.Default.CgoEnabled = false // cgo would need a C compiler for the tested architecture
	if build.Default.GOROOT == "" {  // the tests were built with -trimpath
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			t.Fatal(err)
		}
		build.Default.GOROOT = strings.TrimSpace(string(out))
	}
	fset := token.NewFileSet()
	root, err := build.Default.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	var asts []*ast.File
	for _, name := range root.GoFiles {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		asts = append(asts, file)
	}
	list := api{}
	pkg, err := config.Check("memberlist", fset, asts, nil)
	if err != nil {
		t.Fatal(err)
	}
	list.pkg = pkg
	for _, name := range pkg.Scope().Names() {
		if o := pkg.Scope().Lookup(name); o.Exported() {
			list.object(o)
		}
	}
	slices.Sort(list.lines)
	return list.lines
}

// api collects the lines of a package.
type api struct {
	pkg   *types.Package
	lines []string
}

func (a *api) add(format string, args ...any) {
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

func (a *api) object(o types.Object) {
	switch o := o.(type) {
	case *types.Const:
		a.add("const %s: %s = %s", o.Name(), a.typeName(o.Type()), o.Val())
	case *types.Var:
		a.add("var %s: %s", o.Name(), a.typeName(o.Type()))
	case *types.Func:
		a.add("func %s: %s", o.Name(), a.signature(o.Type().(*types.Signature)))
	case *types.TypeName:
		a.typeDecl(o)
	}
}

func (a *api) typeDecl(o *types.TypeName) {
	if o.IsAlias() {
		a.add("type %s = %s", o.Name(), a.typeName(o.Type()))
		return
	}
	switch u := o.Type().Underlying().(type) {
	case *types.Struct:
		a.add("type %s: struct", o.Name())
		for f := range u.Fields() {
			if f.Exported() {
				a.add("field %s.%s: %s", o.Name(), f.Name(), a.typeName(f.Type()))
			}
		}
	case *types.Interface:
		a.add("type %s: interface", o.Name())
		for m := range u.Methods() {
			a.add("imethod %s.%s: %s", o.Name(), m.Name(), a.signature(m.Type().(*types.Signature)))
		}
		return
	default:
		a.add("type %s: %s", o.Name(), a.typeName(u))
	}
	methods := types.NewMethodSet(types.NewPointer(o.Type()))
	for m := range methods.Methods() {
		if m.Obj().Exported() {
			a.add("method %s.%s: %s", o.Name(), m.Obj().Name(), a.signature(m.Type().(*types.Signature)))
		}
	}
}

// typeName returns a type as other packages know it, without the names of aliases.
func (a *api) typeName(t types.Type) string {
	if s, ok := t.(*types.Slice); ok {
		return "[]" + a.typeName(s.Elem())
	}
	return types.TypeString(types.Unalias(t), func(p *types.Package) string {
		if p == a.pkg {
			return ""
		}
		return p.Name()
	})
}

func (a *api) signature(s *types.Signature) string {
	return a.tuple(s.Params()) + " " + a.tuple(s.Results())
}

func (a *api) tuple(t *types.Tuple) string {
	var parts []string
	for v := range t.Variables() {
		parts = append(parts, a.typeName(v.Type()))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
