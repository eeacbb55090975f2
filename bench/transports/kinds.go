package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// kind is a way to carry packets.
type kind string

const (
	udp     kind = "UDP, AES-256"
	tcp     kind = "tcptransport, plain"
	tcpTLS  kind = "tcptransport, TLS 1.3"
	dial    kind = "a dial for each packet, plain"
	dialTLS kind = "a dial for each packet, TLS 1.3"
)

// patience is the time for making a connection: hundreds of members that meet share a few cores.
const patience = 30 * time.Second

// quiet is a Logger that discards everything.
var quiet = log.New(io.Discard, "", 0)

// config returns the configuration of a member on loopback, whose certificate is in a directory.
func (k kind) config(name, dir string) (*memberlist.Config, error) {
	c := memberlist.DefaultLANConfig()
	c.Name, c.LogOutput = name, io.Discard
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	c.TCPTimeout = patience
	files := tcptransport.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	var err error
	switch k {
	case udp:
		c.SecretKey = make([]byte, 32)
		return c, nil
	case tcp:
		c.Transport, err = tcptransport.New(tcptransport.Config{Name: name, BindAddr: "127.0.0.1", DialTimeout: patience, Logger: quiet})
	case tcpTLS:
		c.Transport, err = tcptransport.New(tcptransport.Config{Name: name, BindAddr: "127.0.0.1", Files: files, DialTimeout: patience,
			Logger: quiet})
	case dial:
		c.Transport, err = newDialTransport(nil)
	case dialTLS:
		var config *tls.Config
		if config, err = loadTLS(files); err == nil {
			c.Transport, err = newDialTransport(config)
		}
	}
	return c, err
}

// loadTLS returns a configuration for both sides of connections.
func loadTLS(f tcptransport.Files) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, ClientCAs: pool, ServerName: "member",
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}
