// Package walls checks what the files of a package import and use. Each package in the import graph of this module
// states its walls in a TestWalls of its own, so that a change of the graph is a change of a test.
package walls

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Module is the import path of the module.
const Module = "github.com/e3431adc/memberlist"

// Standard, in Walls.Imports, allows all of the standard library.
const Standard = "std"

// Impure are the functions that read a clock or draw random numbers without a seed, for Walls.Never.
var Impure = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
	"rand": {"Int", "IntN", "Int64N", "Uint32", "Uint64", "Float64", "Perm", "Shuffle", "N"},
}

// Walls are the restrictions of a package, its tests excepted.
type Walls struct {
	// Imports are the allowed import paths. Those of this module start with "internal/".
	Imports []string

	// Only lists, for some of the imports, everything that may be used of them.
	Only map[string][]string

	// Never lists, by package name, names that must not be used.
	Never map[string][]string

	// Sequential forbids goroutines, channels and select, except in the files of Concurrent.
	Sequential bool
	Concurrent []string

	// Total forbids panics and init functions.
	Total bool

	// Variables are the allowed package-level variables besides "_" and Err*. Nil: any.
	Variables []string
}

// Check reports violations in the package in a directory.
func (w Walls) Check(t *testing.T, dir string) {
	t.Helper()
	violations, err := w.violations(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

func (w Walls) violations(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if len(names) == 0 {
		return nil, fmt.Errorf("no Go files in %s", dir)
	}
	var found []string
	for _, name := range names {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return nil, err
		}
		c := checker{Walls: w, fset: fset, only: map[string][]string{}}
		if slices.Contains(w.Concurrent, filepath.Base(name)) {
			c.Sequential = false
		}
		c.imports(file)
		c.variables(file)
		ast.Inspect(file, c.visit)
		found = append(found, c.found...)
	}
	return found, nil
}

// checker checks one file.
type checker struct {
	Walls
	fset  *token.FileSet
	only  map[string][]string // Only, by package name
	found []string
}

func (c *checker) report(at token.Pos, what string) {
	c.found = append(c.found, fmt.Sprintf("%s: %s is outside of the walls", c.fset.Position(at), what))
}

func (c *checker) imports(file *ast.File) {
	for _, spec := range file.Imports {
		full := strings.Trim(spec.Path.Value, "`\"")
		short := strings.TrimPrefix(full, Module+"/")
		standard := !strings.Contains(full, ".") && slices.Contains(c.Imports, Standard)
		if !standard && !slices.Contains(c.Imports, short) {
			c.report(spec.Pos(), "import of "+full)
		}
		if names, ok := c.Only[short]; ok {
			c.only[path.Base(short)] = names
			if spec.Name != nil {
				c.report(spec.Pos(), "another name for "+full)
			}
		}
	}
}

func (c *checker) variables(file *ast.File) {
	if c.Variables == nil {
		return
	}
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.Name != "_" && !strings.HasPrefix(name.Name, "Err") && !slices.Contains(c.Variables, name.Name) {
					c.report(name.Pos(), "variable "+name.Name)
				}
			}
		}
	}
}

func (c *checker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
		if c.Sequential {
			c.report(n.Pos(), "a goroutine or channel")
		}
	case *ast.FuncDecl:
		if c.Total && n.Recv == nil && n.Name.Name == "init" {
			c.report(n.Pos(), "init")
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && c.Total && f.Name == "panic" {
			c.report(n.Pos(), "panic")
		}
	case *ast.SelectorExpr:
		c.selector(n)
	}
	return true
}

func (c *checker) selector(n *ast.SelectorExpr) {
	pkg, ok := n.X.(*ast.Ident)
	if !ok || pkg.Obj != nil { // a variable of this name
		return
	}
	only, limited := c.only[pkg.Name]
	if limited && !slices.Contains(only, n.Sel.Name) || slices.Contains(c.Never[pkg.Name], n.Sel.Name) {
		c.report(n.Pos(), pkg.Name+"."+n.Sel.Name)
	}
}
