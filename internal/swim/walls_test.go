package swim

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

// TestWalls holds what makes the core a plain value: what it may import, and
// that it starts no goroutine, uses no channel, reads no clock and no global
// randomness.
func TestWalls(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "container/heap", "encoding/binary", "hash/maphash", "iter", "math", "math/rand/v2", "net/netip", "slices", "strings", "time",
		"github.com/e3431adc/memberlist/internal/index",
		"github.com/e3431adc/memberlist/internal/queue",
		"github.com/e3431adc/memberlist/internal/wire",
	}
	// Of these packages only types, constants and pure functions are used.
	forbidden := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"rand": {"Int", "IntN", "Int64N", "Uint32", "Uint64", "Float64", "Perm", "Shuffle", "N"},
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		checked++
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				t.Errorf("%v: goroutine or channel", fset.Position(node.Pos()))
			case *ast.SelectorExpr:
				if pkg, ok := node.X.(*ast.Ident); ok && slices.Contains(forbidden[pkg.Name], node.Sel.Name) {
					t.Errorf("%v: %s.%s", fset.Position(node.Pos()), pkg.Name, node.Sel.Name)
				}
			}
			return true
		})
	}
	if checked < 10 {
		t.Errorf("only %d files checked", checked)
	}
}
