package wire

import (
	"errors"
	"math"
	"testing"
)

var pushPullHeaderTests = []messageTest{
	{
		name: "join", m: &PushPullHeader{Nodes: 3, UserStateLen: 300, Join: true},
		hex: "06 83 a44a6f696e c3 a54e6f646573 03 ac5573657253746174654c656e d1012c",
	},
	{name: "zero", m: &PushPullHeader{}, hex: "06 83 a44a6f696e c2 a54e6f646573 00 ac5573657253746174654c656e 00"},
	{
		name: "negative", m: &PushPullHeader{Nodes: -1, UserStateLen: math.MinInt32},
		hex: "06 83 a44a6f696e c2 a54e6f646573 ff ac5573657253746174654c656e d280000000",
	},
	{
		name: "differences",
		m:    &PushPullHeader{UserStateLen: 1, Node: "n1", From: "n0", View: 0xfedcba9876543210, Digests: []byte{1, 2, 3, 4}, Hashes: 300},
		hex: `06 88 a24467 a401020304 a446726f6d a26e30 a24873 d1012c a44a6f696e c2 a44e6f6465 a26e31 a54e6f646573 00
			ac5573657253746174654c656e 01 a25677 cffedcba9876543210`,
	},
}

var pushNodeStateTests = []messageTest{
	{
		name: "all fields",
		m: &PushNodeState{Name: "n1", Addr: []byte{127, 0, 0, 1}, Port: 7946, Meta: []byte("m"), Incarnation: 1, State: 2,
			Vsn: []byte{1, 5, 2, 0, 0, 0}},
		hex: `87 a441646472 a47f000001 ab496e6361726e6174696f6e 01 a44d657461 a16d a44e616d65 a26e31 a4506f7274 cd1f0a
			a55374617465 02 a356736e a6010502000000`,
	},
	{
		name: "zero", m: &PushNodeState{},
		hex: `87 a441646472 c0 ab496e6361726e6174696f6e 00 a44d657461 c0 a44e616d65 a0 a4506f7274 00 a55374617465 00 a356736e c0`,
	},
	{
		name: "negative state", m: &PushNodeState{State: -200, Meta: []byte{}},
		hex: `87 a441646472 c0 ab496e6361726e6174696f6e 00 a44d657461 a0 a44e616d65 a0 a4506f7274 00 a55374617465 d1ff38 a356736e c0`,
	},
	{
		name: "zone", m: &PushNodeState{Zone: []byte("b")},
		hex: `88 a441646472 c0 ab496e6361726e6174696f6e 00 a44d657461 c0 a44e616d65 a0 a4506f7274 00 a55374617465 00 a356736e c0
			a25a6e a162`,
	},
}

func TestPushPullHeader(t *testing.T)      { testMessages(t, pushPullHeaderTests) }
func TestPushNodeState(t *testing.T)       { testMessages(t, pushNodeStateTests) }
func TestPushPullHeaderQuick(t *testing.T) { testQuick(t, dropEmptyDigests) }
func TestPushNodeStateQuick(t *testing.T) {
	testQuick(t, func(m *PushNodeState) { dropEmptyZone(&m.Zone) })
}

// Empty digests are left out, so they come back as none.
func dropEmptyDigests(m *PushPullHeader) {
	if len(m.Digests) == 0 {
		m.Digests = nil
	}
}

func FuzzPushPullHeader(f *testing.F) {
	fuzzMessage[PushPullHeader, refPushPullHeader](f, pushPullHeaderTests[0].m, pushPullHeaderTests[2].m, pushPullHeaderTests[3].m)
}

func FuzzPushNodeState(f *testing.F) {
	fuzzMessage[PushNodeState, refPushNodeState](f, pushNodeStateTests[0].m, pushNodeStateTests[2].m, pushNodeStateTests[3].m)
}

// Huge and negative counts sized allocations (hashicorp/memberlist#357, #361).
func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		m    interface{ Validate() error }
		want error
	}{
		{"zero", &PushPullHeader{}, nil},
		{"at the limits", &PushPullHeader{Nodes: MaxPushPullNodes, UserStateLen: MaxUserState}, nil},
		{"many nodes", &PushPullHeader{Nodes: MaxPushPullNodes + 1}, ErrTooLarge},
		{"negative nodes", &PushPullHeader{Nodes: -1}, ErrMalformed},
		{"huge nodes", &PushPullHeader{Nodes: math.MaxInt}, ErrTooLarge},
		{"large user state", &PushPullHeader{UserStateLen: MaxUserState + 1}, ErrTooLarge},
		{"negative user state", &PushPullHeader{UserStateLen: math.MinInt}, ErrMalformed},
		{"hashes", &PushPullHeader{Hashes: MaxPushPullHashes}, nil},
		{"many hashes", &PushPullHeader{Hashes: MaxPushPullHashes + 1}, ErrTooLarge},
		{"negative hashes", &PushPullHeader{Hashes: -1}, ErrMalformed},
		{"user message", &UserHeader{UserMsgLen: MaxUserMessage}, nil},
		{"large user message", &UserHeader{UserMsgLen: MaxUserMessage + 1}, ErrTooLarge},
		{"negative user message", &UserHeader{UserMsgLen: -1}, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.m.Validate(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func BenchmarkPushNodeStateAppend(b *testing.B) {
	m := pushNodeStateTests[0].m
	buf := m.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}
