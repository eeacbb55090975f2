package tcptransport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// Two members that use one TCP port each, no UDP, and certificates that say which member they are.
func Example() {
	dir, err := os.MkdirTemp("", "certificates")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := makeCertificates(dir, "a", "b"); err != nil {
		log.Fatal(err)
	}

	create := func(name string) *memberlist.Memberlist {
		transport, err := tcptransport.New(tcptransport.Config{
			Name:     name,
			BindAddr: "127.0.0.1",
			Files: tcptransport.Files{
				Cert: filepath.Join(dir, name+".crt"),
				Key:  filepath.Join(dir, name+".key"),
				CA:   filepath.Join(dir, "ca.crt"),
			},
			VerifyPeer: tcptransport.NameInCertificate,
		})
		if err != nil {
			log.Fatal(err)
		}
		config := memberlist.DefaultLANConfig()
		config.Name, config.Transport, config.LogOutput = name, transport, io.Discard
		m, err := memberlist.Create(config)
		if err != nil {
			log.Fatal(err)
		}
		return m
	}
	a, b := create("a"), create("b")
	defer a.Shutdown()
	defer b.Shutdown()
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.NumMembers(), "members")
	// Output: 2 members
}

// makeCertificates writes a CA and certificates of members to files, as a tool would.
func makeCertificates(dir string, names ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "my cluster"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, "ca.crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	for i, name := range names {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		leaf := &x509.Certificate{SerialNumber: big.NewInt(int64(2 + i)), DNSNames: []string{name}, NotBefore: time.Now(),
			NotAfter:    time.Now().AddDate(0, 3, 0),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		if der, err = x509.CreateCertificate(rand.Reader, leaf, ca, &own.PublicKey, key); err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(own)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der); err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", private); err != nil {
			return err
		}
	}
	return nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
