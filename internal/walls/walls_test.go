package walls

import (
	"strings"
	"testing"
)

func TestViolations(t *testing.T) {
	for _, tt := range []struct {
		name  string
		walls Walls
		want  []string
	}{
		{"none", Walls{Imports: []string{Standard}}, nil},
		{"named imports", Walls{Imports: []string{"fmt", "time", "io"}}, nil},
		{"imports", Walls{Imports: []string{"fmt"}}, []string{"import of io", "import of time"}},
		{"only", Walls{Imports: []string{Standard}, Only: map[string][]string{"fmt": {"Errorf"}, "io": {"Reader"}}},
			[]string{"another name for io", "fmt.Print"}},
		{"never", Walls{Imports: []string{Standard}, Never: Impure}, []string{"time.Now"}},
		{"sequential", Walls{Imports: []string{Standard}, Sequential: true},
			[]string{"a goroutine or channel", "a goroutine or channel"}},
		{"concurrent", Walls{Imports: []string{Standard}, Sequential: true, Concurrent: []string{"outside.go"}}, nil},
		{"total", Walls{Imports: []string{Standard}, Total: true}, []string{"init", "panic"}},
		{"variables", Walls{Imports: []string{Standard}, Variables: []string{}}, []string{"variable state"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.walls.violations("testdata")
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("got %q, %v, want %q", got, err, tt.want)
			}
			for i, what := range tt.want {
				if !strings.Contains(got[i], ": "+what+" is outside") {
					t.Errorf("got %q, want %q", got[i], what)
				}
			}
		})
	}
	if _, err := (Walls{}).violations("no such directory"); err == nil {
		t.Error("no error where there are no files")
	}
}

func TestWalls(t *testing.T) { Walls{Imports: []string{Standard}}.Check(t, ".") }
