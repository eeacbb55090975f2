package main

import (
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"sync"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/tcptransport"
)

// streams is how members are reached that have no UDP, but package tcptransport: the flags for that.
type streams struct {
	tcp   bool
	files tcptransport.Files
	name  string
}

func (s *streams) addFlags(f *flag.FlagSet) {
	f.BoolVar(&s.tcp, "tcp", false, "the members use package tcptransport: all traffic is over TCP")
	f.StringVar(&s.files.CA, "tls-ca", "", "PEM `file` of the CA of such members, with TLS; needs -tls-cert and -tls-key")
	f.StringVar(&s.files.Cert, "tls-cert", "", "PEM `file` with a certificate that the members accept")
	f.StringVar(&s.files.Key, "tls-key", "", "PEM `file` with its private key")
	f.StringVar(&s.name, "tls-name", "", "`name` in that certificate, if the members verify names")
}

// open returns the transport that the flags ask for, which is to be shut down, or nil.
func (s *streams) open() (memberlist.Transport, error) {
	secure := s.files != tcptransport.Files{}
	switch {
	case secure && (s.files.CA == "" || s.files.Cert == "" || s.files.Key == ""):
		return nil, errors.New("-tls-ca, -tls-cert and -tls-key go together")
	case s.name != "" && !secure:
		return nil, errors.New("-tls-name needs -tls-cert")
	case !secure && !s.tcp:
		return nil, nil
	}
	t, err := tcptransport.New(tcptransport.Config{
		Name:   s.name,
		Files:  s.files,
		Logger: log.New(io.Discard, "", 0), // errors are returned
		Listen: func(string, string) (net.Listener, error) { return &noListener{closed: make(chan struct{})}, nil },
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// noListener accepts nothing: nobody dials this program.
type noListener struct {
	once   sync.Once
	closed chan struct{}
}

func (l *noListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *noListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *noListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }
