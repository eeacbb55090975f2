package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package turns values into bytes and back, with internal/lzw, and they do nothing else: what it may import is listed, and so is what it
// may use of a package of which it may not use all.
func TestWalls(t *testing.T) {
	allowed := map[string][]string{ // nil: all of it
		"bytes":           nil,
		"crypto/aes":      nil,
		"crypto/cipher":   {"AEAD", "NewGCM"}, // none that draws nonces of its own
		"encoding/binary": nil,
		"errors":          nil,
		"fmt":             {"Errorf"},
		"hash/crc32":      nil,
		"hash/maphash":    {"Seed", "MakeSeed", "Bytes"},
		"io":              {"Reader", "EOF", "ErrUnexpectedEOF", "ErrNoProgress"},
		"math":            nil,
		"math/bits":       nil,
		"slices":          nil,
		"strconv":         nil,
		"github.com/hashicorp/go-msgpack/v2/codec":    nil,
		"github.com/e3431adc/memberlist/internal/lzw": nil,
	}
	ours, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lzw, err := filepath.Glob("../lzw/*.go")
	if err != nil || len(lzw) == 0 {
		t.Fatal(lzw, err)
	}
	for _, name := range append(ours, lzw...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		imported := map[string][]string{} // by name: what may be used
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			uses, ok := allowed[path]
			if !ok {
				t.Errorf("%s imports %s", fset.Position(spec.Pos()), path)
			}
			if spec.Name != nil {
				t.Errorf("%s renames %s", fset.Position(spec.Pos()), path)
			}
			imported[path[strings.LastIndex(path, "/")+1:]] = uses
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s: no goroutines or channels here", fset.Position(n.Pos()))
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: no init here", fset.Position(n.Pos()))
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "panic" {
					t.Errorf("%s: no panic here", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				if uses := imported[pkg.Name]; uses != nil && !slices.Contains(uses, n.Sel.Name) {
					t.Errorf("%s uses %s.%s", fset.Position(n.Pos()), pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
		checkVariables(t, fset, file)
	}
}

// checkVariables allows package-level variables that are never written: sentinel errors, tables, interface assertions
// and the fallback's handle.
func checkVariables(t *testing.T, fset *token.FileSet, file *ast.File) {
	t.Helper()
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				known := name.Name == "_" || strings.HasPrefix(name.Name, "Err") || name.Name == "shapes" ||
					name.Name == "fallbackHandle"
				if !known {
					t.Errorf("%s: variable %s", fset.Position(name.Pos()), name.Name)
				}
			}
		}
	}
}
