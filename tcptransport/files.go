package tcptransport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/e3431adc/memberlist"
)

// Files are the paths of PEM files, all of which are required. They are looked at when connections are made, at most once a second, and
// read again when they have changed: new connections use the new certificate and CA. Existing ones stay, unless the certificate of the peer
// is of no CA in the new file. What cannot be read is logged and counted, and the former files stay in use. To change the CA, first add the
// new one to the CA file of all members, then change the certificates, then remove the former CA.
type Files struct {
	Cert string // the certificate of this member, and intermediate ones; for both sides of connections
	Key  string // its private key
	CA   string // the certificates of those that issue the certificates of members
}

// fileSet is what tells whether files have changed: cert, key and CA.
type fileSet [3]os.FileInfo

// same reports whether the files are those of another set.
func (s *fileSet) same(other *fileSet) bool {
	for i, file := range s {
		before := other[i]
		if before == nil || !os.SameFile(file, before) || !file.ModTime().Equal(before.ModTime()) || file.Size() != before.Size() {
			return false
		}
	}
	return true
}

func (f *Files) stat() (set fileSet, err error) {
	for i, path := range []string{f.Cert, f.Key, f.CA} {
		if path == "" {
			return set, fmt.Errorf("%w: Files: Cert, Key and CA are all required", memberlist.ErrInvalidConfig)
		}
		if set[i], err = os.Stat(path); err != nil {
			return set, err
		}
	}
	return set, nil
}

// read reads the files. A certificate and a key that do not belong together are an error, as while they are being replaced.
func (f *Files) read() (tls.Certificate, *x509.CertPool, error) {
	certificate, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return certificate, nil, fmt.Errorf("%s, %s: %w", f.Cert, f.Key, err)
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return certificate, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return certificate, nil, fmt.Errorf("%s: %w", f.CA, errNoCertificates)
	}
	return certificate, pool, nil
}

var errNoCertificates = errors.New("file has no certificates")
