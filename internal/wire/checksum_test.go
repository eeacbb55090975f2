package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestChecksum(t *testing.T) {
	packet := append(make([]byte, ChecksumSize), "123456789"...)
	PutChecksum(packet)
	if want := unhex(t, "0c cbf43926 313233343536373839"); !bytes.Equal(packet, want) { // the check value of CRC-32
		t.Fatalf("got %x, want %x", packet, want)
	}
	covered, err := CheckChecksum(packet[1:])
	if err != nil || string(covered) != "123456789" {
		t.Errorf("%q, %v", covered, err)
	}
	for i := 1; i < len(packet); i++ {
		changed := bytes.Clone(packet)
		changed[i] ^= 1
		if _, err := CheckChecksum(changed[1:]); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range ChecksumSize - 1 {
		if _, err := CheckChecksum(packet[1 : 1+n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestChecksumOfNothing(t *testing.T) {
	packet := make([]byte, ChecksumSize)
	PutChecksum(packet)
	if covered, err := CheckChecksum(packet[1:]); err != nil || len(covered) != 0 {
		t.Errorf("%x, %v", covered, err)
	}
	short := []byte{1, 2, 3, 4}
	PutChecksum(short)
	if !bytes.Equal(short, []byte{1, 2, 3, 4}) {
		t.Errorf("a packet without room became %x", short)
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte("123456789"))
	for _, p := range loadTraffic(f).packets {
		if Type(p[0]) == TypeChecksum {
			f.Add(p[1:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := CheckChecksum(b); err != nil && !isOurs(err) {
			t.Fatal(err)
		}
		packet := append(make([]byte, ChecksumSize), b...)
		PutChecksum(packet)
		if got, err := CheckChecksum(packet[1:]); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}
