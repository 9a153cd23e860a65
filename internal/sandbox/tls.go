package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const lifetime = 10 * 365 * 24 * time.Hour

func (l layout) authority() string   { return l.path("tls", "ca.pem") }
func (l layout) bundle() string      { return l.path("tls", "bundle.pem") }
func (l layout) certificate() string { return l.path("tls", "server.pem") }
func (l layout) serverKey() string   { return l.path("tls", "server.key") }

// makeCertificates makes a CA and one certificate for this host's loopback
// names. The CA's own key is thrown away: nothing else can ever be signed.
func makeCertificates(l layout) error {
	if err := os.MkdirAll(l.path("tls"), 0o700); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	ca, caKey, err := certificate("sandbox CA", nil, nil)
	if err != nil {
		return err
	}
	leaf, leafKey, err := certificate("localhost", ca, caKey)
	if err != nil {
		return err
	}
	key, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	for file, block := range map[string]*pem.Block{
		l.authority():   {Type: "CERTIFICATE", Bytes: ca.Raw},
		l.certificate(): {Type: "CERTIFICATE", Bytes: leaf.Raw},
		l.serverKey():   {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return fmt.Errorf("making certificates: %w", err)
		}
	}
	return makeBundle(l)
}

// makeBundle is for SSL_CERT_FILE, which takes the place of the system's CAs:
// a shell with the world's variables can still download what it needs.
func makeBundle(l layout) error {
	own, err := os.ReadFile(l.authority())
	if err != nil {
		return fmt.Errorf("making the bundle of CAs: %w", err)
	}
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if system, err := os.ReadFile(file); err == nil && len(system) > 0 {
			own = append(append(own, '\n'), system...)
			break
		}
	}
	if err := os.WriteFile(l.bundle(), own, 0o600); err != nil {
		return fmt.Errorf("making the bundle of CAs: %w", err)
	}
	return nil
}

// certificate makes one, signed by parent or, without a parent, by itself.
func certificate(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making certificates: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("making certificates: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lifetime), BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, signer = template, key
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("making certificates: %w", err)
	}
	made, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("making certificates: %w", err)
	}
	return made, key, nil
}

// trust is what a client of this world trusts: its CA alone.
func trust(l layout) (*tls.Config, error) {
	raw, err := os.ReadFile(l.authority())
	if err != nil {
		return nil, fmt.Errorf("reading the world's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("reading the world's CA: no certificate in %s", l.authority())
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
