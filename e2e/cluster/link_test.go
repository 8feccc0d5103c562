package cluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWrongPassword starts a node that does not know the password of the cluster.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	stranger := f.berth("", clustered(freeAddress(t), routesOf(f.berths[0]))...)
	stranger.settings = append(stranger.settings, "bus.cluster_password=nobody-knows-this-password")
	f.checkStranger(stranger, "uthorization")
}

// checkStranger starts a node, and waits until it has been refused.
func (f *fleet) checkStranger(stranger *berth, why string) {
	f.tb.Helper()
	f.begin(stranger)
	eventually(f.tb, "the stranger is refused", func() bool {
		for _, b := range f.berths {
			if strings.Contains(b.Logged(), why) {
				return true
			}
		}
		return false
	}, stranger.Logged)
	if stranger.Unready(f.tb) == "" {
		f.tb.Error("a node is ready that the others do not let in")
	}
	for _, b := range f.others(stranger) {
		if n := len(b.nodes(f.tb)); n != len(f.berths)-1 {
			f.tb.Errorf("%s knows of %d nodes", b.name, n)
		}
	}
}

// TestTLS has the nodes show one another certificates, of one authority.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	f := dockFleet(t, 3)
	for _, b := range f.berths {
		b.settings = append(b.settings, ours.certify(t)...)
	}
	f.launch()
	watchers := f.watchAll(f.token())
	for _, w := range watchers {
		w.moves()
	}
	f.check(watchers...)
	stranger := f.berth("", clustered(freeAddress(t), routesOf(f.berths[0]))...)
	stranger.settings = append(stranger.settings, theirs.certify(t)...)
	f.checkStranger(stranger, "TLS")
}

// An authority makes certificates for nodes.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "authority"},
	})
	return a
}

// certify makes a certificate for 127.0.0.1, and gives the settings that use it.
func (a *authority) certify(t *testing.T) []string {
	t.Helper()
	a.sign(t, "node", &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, Subject: pkix.Name{CommonName: "node"},
	})
	return []string{
		"bus.cluster_tls_cert=" + filepath.Join(a.dir, "node.crt"), "bus.cluster_tls_key=" + filepath.Join(a.dir, "node.key"),
		"bus.cluster_tls_ca=" + filepath.Join(a.dir, "ca.crt"),
	}
}

// sign makes a certificate, the authority's own if it has none, and writes it to files.
func (a *authority) sign(t *testing.T, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}
