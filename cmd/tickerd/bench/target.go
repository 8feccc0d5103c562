package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// A target is where the connections go, and what they ask there.
type target struct {
	addr    netip.AddrPort
	sources []netip.Addr // to connect from; empty: as the system likes
	host    string       // for the Host header, and for the certificate
	request [2]string    // before and after the WebSocket's key
	nonce   [8]byte      // the first half of that key; the other is the serial number
}

// newTarget finds the server's address by connecting to it once.
func newTarget(ctx context.Context, c Config) (*target, error) {
	port := c.URL.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[c.secure()]
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	var dialer net.Dialer
	probe, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(c.URL.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	addr := probe.RemoteAddr().(*net.TCPAddr).AddrPort()
	if err := probe.Close(); err != nil {
		return nil, err
	}
	t := &target{
		addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()),
		host: c.URL.Host,
	}
	t.sources, err = sourcesFor(c.Sources, t.addr.Addr(), c.Conns+c.Slow)
	if err != nil {
		return nil, err
	}
	t.request = t.requestFor(c)
	_, err = rand.Read(t.nonce[:])
	return t, err
}

// requestFor is the upgrade without its key.
func (t *target) requestFor(c Config) [2]string {
	query := url.Values{}
	if len(c.Symbols) > 0 {
		query.Set("symbols", strings.Join(c.Symbols, ","))
	}
	if c.Interval > 0 {
		query.Set("interval", c.Interval.String())
	}
	uri := (&url.URL{Path: "/"}).JoinPath(c.URL.Path, "ws/ticker")
	uri.RawQuery = query.Encode()
	before := "GET " + uri.RequestURI() + " HTTP/1.1\r\n" +
		"Host: " + t.host + "\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Authorization: Bearer " + c.Token + "\r\n"
	if c.Deflate {
		before += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	return [2]string{before + "Sec-WebSocket-Key: ", "\r\n\r\n"}
}

// key is the WebSocket's key of the connection with a serial number.
func (t *target) key(serial int) string {
	var raw [16]byte
	copy(raw[:], t.nonce[:])
	binary.BigEndian.PutUint64(raw[8:], uint64(serial))
	return base64.StdEncoding.EncodeToString(raw[:])
}

// appendRequest appends the whole upgrade.
func (t *target) appendRequest(dst []byte, serial int) []byte {
	dst = append(dst, t.request[0]...)
	dst = append(dst, t.key(serial)...)
	return append(dst, t.request[1]...)
}

// source is where the connection with a serial number comes from, the zero address
// if that is left to the system.
func (t *target) source(serial int) netip.Addr {
	if len(t.sources) == 0 {
		return netip.Addr{}
	}
	return t.sources[serial%len(t.sources)]
}

// perSource is how many connections one address is given on the loopback. A system has
// 28,000 ports for them by default, and gives out every other one first: when those are
// gone, each further connection looks through all of them, which takes milliseconds.
const perSource = 12_000

// sourcesFor are the addresses to connect from. On the loopback, which has 16 million
// of them, there are as many as so many connections need.
func sourcesFor(wanted []netip.Addr, to netip.Addr, conns int) ([]netip.Addr, error) {
	for _, a := range wanted {
		if a.Is4() != to.Is4() {
			return nil, fmt.Errorf("from %v, nobody gets to %v", a, to)
		}
	}
	if len(wanted) > 0 || conns <= perSource || !to.Is4() || !to.IsLoopback() {
		return wanted, nil
	}
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for range (conns + perSource - 1) / perSource {
		wanted = append(wanted, a)
		a = a.Next()
	}
	return wanted, nil
}
