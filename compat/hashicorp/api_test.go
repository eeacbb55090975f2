package memberlist

import (
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const library = "github.com/e3431adc/memberlist"

// TestExportsTheReferencesAPI compares the exported names with the recorded list of github.com/grafana/memberlist, which
// has all of the reference: all of them, no others, and each the library's own. The library's own test compares their
// fields, methods and signatures with the same list.
func TestExportsTheReferencesAPI(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "grafana-api.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, ":")
		if kind, name, _ := strings.Cut(name, " "); kind == "const" || kind == "func" || kind == "type" || kind == "var" {
			want = append(want, kind+" "+name)
		}
	}
	build.Default.CgoEnabled = false // it would need a C compiler for the architecture of the test
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "memberlist.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("github.com/hashicorp/memberlist", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	original, err := config.Importer.Import(library)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range pkg.Scope().Names() {
		got = append(got, compare(t, pkg.Scope().Lookup(name), original.Scope().Lookup(name)))
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("the reference has, and this has not: %s", name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("this has, and the reference has not: %s", name)
		}
	}
}

// compare returns the line of the list for an object, which must be the same as one of the library.
func compare(t *testing.T, o, original types.Object) string {
	t.Helper()
	if original == nil {
		t.Fatalf("%s is not of the library", o.Name())
	}
	if !types.Identical(o.Type(), original.Type()) {
		t.Errorf("%s is %v, and in the library %v", o.Name(), o.Type(), original.Type())
	}
	switch o := o.(type) {
	case *types.Const:
		if value := original.(*types.Const).Val(); !constant.Compare(o.Val(), token.EQL, value) {
			t.Errorf("%s is %v, and in the library %v", o.Name(), o.Val(), value)
		}
		return "const " + o.Name()
	case *types.Func:
		return "func " + o.Name()
	case *types.TypeName:
		return "type " + o.Name()
	default:
		t.Errorf("%s can be set", o.Name())
		return "var " + o.Name()
	}
}

// TestFunctionsForward calls each function, as one could be forwarded to another of the same signature.
func TestFunctionsForward(t *testing.T) {
	key := make([]byte, 24)
	ring, err := NewKeyring(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	networks, err := ParseCIDRs([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	labelled, err := AddLabelHeaderToPacket([]byte("hello"), "label")
	if err != nil {
		t.Fatal(err)
	}
	packet, label, err := RemoveLabelHeaderFromPacket(labelled)
	if err != nil {
		t.Fatal(err)
	}
	_, noAddress := NewNetTransport(&NetTransportConfig{})
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		AddLabelHeaderToStream(near, "stream")
		near.Close()
	}()
	stream, streamLabel, err := RemoveLabelHeaderFromStream(far)
	if err != nil {
		t.Fatal(err)
	}
	stream.Close()
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"DefaultLANConfig", DefaultLANConfig().TCPTimeout, 10 * time.Second},
		{"DefaultWANConfig", DefaultWANConfig().TCPTimeout, 30 * time.Second},
		{"DefaultLocalConfig", DefaultLocalConfig().TCPTimeout, time.Second},
		{"LogAddress", LogAddress(&net.UDPAddr{Port: 1}), "from=:1"},
		{"LogStringAddress", LogStringAddress("a"), "from=a"},
		{"LogConn", LogConn(nil), "from=<unknown address>"},
		{"ValidateKey", ValidateKey(key), nil},
		{"NewKeyring", string(ring.GetPrimaryKey()), string(key)},
		{"ParseCIDRs", networks[0].String(), "10.0.0.0/8"},
		{"RemoveLabelHeaderFromPacket", string(packet) + " " + label, "hello label"},
		{"RemoveLabelHeaderFromStream", streamLabel, "stream"},
		{"NewNetTransport", noAddress != nil, true},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestMetricLabelsFollowTheTag: the type of Config.MetricLabels depends on the build tag.
func TestMetricLabelsFollowTheTag(t *testing.T) {
	field, _ := reflect.TypeFor[Config]().FieldByName("MetricLabels")
	if got := field.Type.Elem().PkgPath(); got != metricsLibrary {
		t.Errorf("got labels of %s, want %s", got, metricsLibrary)
	}
}

// TestMembersJoin runs two members through the forwarding functions.
func TestMembersJoin(t *testing.T) {
	var network MockNetwork
	var members []*Memberlist
	for _, name := range []string{"a", "b"} {
		config := DefaultLocalConfig()
		config.Name = name
		config.LogOutput = t.Output()
		config.Transport = network.NewTransport(name)
		m, err := Create(config)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Shutdown()
		members = append(members, m)
	}
	if _, err := members[1].Join([]string{members[0].LocalNode().FullAddress().Addr}); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if n := m.NumMembers(); n != 2 {
			t.Errorf("%s has %d members, want 2", m.LocalNode(), n)
		}
	}
}
