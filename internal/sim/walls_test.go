package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestWalls holds what makes one seed one history: no clock but the virtual one, and no randomness but the seed's.
func TestWalls(t *testing.T) {
	forbidden := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"rand": {"Int", "IntN", "Int64N", "Uint32", "Uint64", "Float64", "Perm", "Shuffle", "N"},
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if strings.Contains(path, ".") && !strings.HasPrefix(path, "github.com/e3431adc/memberlist/internal/") {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.GoStmt, *ast.SelectStmt:
				t.Errorf("%v: goroutine or select", fset.Position(node.Pos()))
			case *ast.SelectorExpr:
				if pkg, ok := node.X.(*ast.Ident); ok && pkg.Obj == nil && slices.Contains(forbidden[pkg.Name], node.Sel.Name) {
					t.Errorf("%v: %s.%s", fset.Position(node.Pos()), pkg.Name, node.Sel.Name)
				}
			}
			return true
		})
	}
}
