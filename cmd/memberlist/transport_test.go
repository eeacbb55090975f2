package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// certificate writes a certificate with names, its own CA, and its key.
func certificate(t *testing.T, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestMembersWithoutUDP: clusters over TCP, with and without TLS, and with names that are verified, are seen and examined; a wrong flag
// is told from the answer.
func TestMembersWithoutUDP(t *testing.T) {
	cert, key := certificate(t, "a", "b", "tool")
	foreign, foreignKey := certificate(t, "tool")
	files := tcptransport.Files{Cert: cert, Key: key, CA: cert}
	secure := []string{"-tls-ca", cert, "-tls-cert", cert, "-tls-key", key}
	for _, tt := range []struct {
		name   string
		config tcptransport.Config
		args   []string
		wrong  []string
		reason string
	}{
		{"plain", tcptransport.Config{}, []string{"-tcp"}, secure, "does not use TLS"},
		{"TLS", tcptransport.Config{Files: files}, secure, []string{"-tcp"}, "requires TLS"},
		{"names", tcptransport.Config{Files: files, VerifyPeer: tcptransport.NameInCertificate}, append([]string{"-tls-name", "tool"}, secure...),
			append([]string{"-tls-name", "other"}, secure...), "does not accept the certificate"},
		{"another CA", tcptransport.Config{Files: files}, secure,
			[]string{"-tls-ca", cert, "-tls-cert", foreign, "-tls-key", foreignKey}, "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var members []*memberlist.Memberlist
			for _, name := range []string{"a", "b"} {
				config := tt.config
				config.Name, config.BindAddr, config.Logger = name, "127.0.0.1", log.New(io.Discard, "", 0)
				transport, err := tcptransport.New(config)
				if err != nil {
					t.Fatal(err)
				}
				members = append(members, member(t, name, func(c *memberlist.Config) { c.Transport = transport }))
			}
			at := members[0].LocalNode().Address()
			if _, err := members[1].Join([]string{at}); err != nil {
				t.Fatal(err)
			}
			if status, stdout, stderr := call(t, append([]string{"members", at}, tt.args...)...); status != 0 || !strings.Contains(stdout, "b  ") {
				t.Errorf("members: status %d, %s%s", status, stdout, stderr)
			}
			if status, stdout, stderr := call(t, append([]string{"doctor", at}, tt.args...)...); status != 0 || !strings.Contains(stdout, "2 of 2 members answered. Nothing is wrong.") {
				t.Errorf("doctor: status %d, %s%s", status, stdout, stderr)
			}
			members[1].Shutdown()
			if status, stdout, stderr := call(t, append([]string{"doctor", "-settle", "0s", at}, tt.args...)...); status != 1 || !strings.Contains(stdout, "does not answer") && !strings.Contains(stdout, "still told of") {
				t.Errorf("doctor of one that has ended: status %d, %s%s", status, stdout, stderr)
			}
			if status, _, stderr := call(t, append([]string{"members", at}, tt.wrong...)...); status != 2 || !strings.Contains(stderr, tt.reason) {
				t.Errorf("wrong flags: status %d, %s, want %q", status, stderr, tt.reason)
			}
		})
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-tls-ca", cert}, "go together"},
		{[]string{"-tls-name", "tool"}, "-tls-name needs"},
		{[]string{"-tls-ca", "none", "-tls-cert", "none", "-tls-key", "none"}, "none"},
	} {
		if status, _, stderr := call(t, append([]string{"members", "127.0.0.1:1"}, tt.args...)...); status != 2 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: status %d, %s, want %q", tt.args, status, stderr, tt.want)
		}
	}
}
