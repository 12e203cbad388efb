package azurite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is a self-made certificate for 127.0.0.1, in files for the server.
type certificate struct {
	folder            string
	certFile, keyFile string
	pool              *x509.CertPool
}

func newCertificate() (c *certificate, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("azurite: making a certificate: %w", err)
		}
	}()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	folder, err := os.MkdirTemp("", "azurite-certificate-")
	if err != nil {
		return nil, err
	}
	c = &certificate{folder: folder, certFile: filepath.Join(folder, "cert.pem"), keyFile: filepath.Join(folder, "key.pem"), pool: x509.NewCertPool()}
	c.pool.AppendCertsFromPEM(certPEM)
	err = errors.Join(
		os.WriteFile(c.certFile, certPEM, 0o600),
		os.WriteFile(c.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
	if err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

// remove removes the files; without a certificate there are none.
func (c *certificate) remove() error {
	if c == nil {
		return nil
	}
	return os.RemoveAll(c.folder)
}

// TLS is the configuration of a client that trusts this server and no other. It
// is nil for a server that answers plain HTTP.
func (s *Server) TLS() *tls.Config {
	if s.certificate == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.certificate.pool, MinVersion: tls.VersionTLS12}
}

// FakeToken makes a bearer token that a server with [Config.HTTPS] accepts
// between the two times. Azurite checks what a token says and not who signed it.
func FakeToken(from, to time.Time) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // panic: maps of strings and integers always encode.
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	header := map[string]any{"alg": "RS256", "typ": "JWT"}
	claims := map[string]any{
		"aud": "https://storage.azure.com",
		"iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
		"iat": from.Unix(), "nbf": from.Unix(), "exp": to.Unix(),
	}
	return part(header) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString([]byte("unsigned"))
}
