package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
)

// certificate makes a certificate for localhost, in two files.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key = write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// With TLS in the process all is as without.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, roots := certificate(t)
	w := newWorld(t, func(o *options) { o.server.TLSCert, o.server.TLSKey = cert, key })
	plain := w.dialer
	w.dialer = func() (net.Conn, error) {
		return tls.Dial("tcp", w.gateway.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		wantReply(t, w.ask(by, upgrade("")), 401, unauthenticated)
		r := upgrade(w.demo())
		r.behind = text(`{"type":"ping","id":1}`)
		c := w.dialBy(by).upgraded(r)
		c.welcome()
		c.snapshot()
		if m := c.next(); m.Type != "pong" {
			t.Errorf("got %s", m.raw)
		}
		c.want(w.tick(wide(1000, 1)...)) // several records
		c.within(closeTimeout / 2)
		c.bye()
		w.wantLeave(c.id, 1000, "")

		c = w.dialBy(by).upgraded(upgrade(w.sign("ann"+string(by), "user")))
		c.welcome()
		w.publish(bus.Revoked, `{"user_id":"ann`+string(by)+`"}`)
		c.within(closeTimeout / 2)
		c.wantEnd(4500, "token or key revoked")
	})
	// Who does not speak it is not served.
	conn, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newWire(w, conn)
	c.send(upgrade(w.demo()).String())
	if b, err := c.r.Peek(12); err == nil && strings.HasPrefix(string(b), "HTTP/1.1 101") {
		t.Errorf("got %q", b)
	}
}

// Files that are no certificate stop the start.
func TestTLSWithoutCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cert, _, _ := certificate(t)
	for _, files := range [][2]string{{"missing.pem", "missing.pem"}, {cert, cert}} {
		g := w.unstarted("127.0.0.1:0", func(o *options) { o.server.TLSCert, o.server.TLSKey = files[0], files[1] })
		if err := g.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), filepath.Base(files[0])) && files[0] != cert {
			t.Errorf("%q: %v", files, err)
		}
	}
}
