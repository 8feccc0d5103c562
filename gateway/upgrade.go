package gateway

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
)

var refuseHead = &refusal{status: http.StatusRequestHeaderFieldsTooLarge, reason: errHeadTooLarge.Error()}

// upgradeRaw answers a request for the stream that came as the first on its
// connection. B holds its head, and perhaps the client's first frames.
func (g *Gateway) upgradeRaw(sock net.Conn, b []byte) {
	end := bytes.Index(b, headEnd) + len(headEnd)
	early := bytes.Clone(b[end:])
	h, err := parseHead(b[:end])
	if err != nil {
		g.refuse(sock, "", badRequest(err))
		return
	}
	if refused := g.upgrade(sock, h, early); refused != nil {
		g.refuse(sock, h.method, refused)
	}
}

// upgrade opens the stream, unless the request is refused. There are never more than
// a few under way: in a storm of thousands those who are in already would not get
// their turn.
func (g *Gateway) upgrade(sock net.Conn, h head, early []byte) *refusal {
	g.upgrades <- struct{}{}
	defer func() { <-g.upgrades }()
	a, refused := g.admit(upgrades, h, peerOf(sock.RemoteAddr()))
	if refused == nil {
		g.begin(sock, h, a, early)
	}
	return refused
}

// upgradeHTTP answers a request for the stream that net/http has read: one that
// a proxy sends over a connection that it used before.
func (g *Gateway) upgradeHTTP(w http.ResponseWriter, r *http.Request) {
	a, refused := g.admitHTTP(upgrades, r)
	if refused != nil {
		g.answerRefusal(w, refused)
		return
	}
	if sock, early, ok := g.hijack(w, a); ok {
		g.begin(sock, headOf(r), a, early)
	}
}

// admitHTTP is admit for a request that net/http has read.
func (g *Gateway) admitHTTP(d door, r *http.Request) (admission, *refusal) {
	peer, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		return admission{}, refuseInternal
	}
	h := headOf(r)
	if err := h.check(); err != nil {
		return admission{}, badRequest(err)
	}
	return g.admit(d, h, peerOf(peer))
}

// hijack takes the connection of an admitted request from net/http, and what it has
// read of it too early; or else gives the admission back, and answers that.
func (g *Gateway) hijack(w http.ResponseWriter, a admission) (sock net.Conn, early []byte, ok bool) {
	sock, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		g.places.give(a.token.UserID, a.addr)
		g.log.Error("hijack", "remote_addr", a.addr, "err", err)
		g.answerRefusal(w, refuseInternal)
		return nil, nil, false
	}
	early, _ = buffered.Reader.Peek(buffered.Reader.Buffered()) // what is buffered is there
	early = bytes.Clone(early)
	if u, ok := sock.(*unread); ok {
		sock, early = u.Conn, append(early, u.rest...)
	}
	return sock, early, true
}

// begin answers an upgrade that was admitted, and opens its connection.
func (g *Gateway) begin(sock net.Conn, h head, a admission, early []byte) {
	extensions, encoding := "", fanout.Text
	if g.cfg.Compression {
		var agreed bool
		if extensions, agreed = frame.NegotiateDeflate(h.list(headerExtensions)); agreed {
			encoding = fanout.Deflate
		}
	}
	if _, err := sock.Write(switchProtocols(h, extensions)); err != nil {
		g.log.Debug("upgrade", "remote_addr", a.addr, "err", err)
		g.places.give(a.token.UserID, a.addr)
		sock.Close()
		return
	}
	g.open(sock, a, encoding, early)
}

// switchProtocols is the answer that opens the stream. Extensions are those that
// were agreed on.
func switchProtocols(h head, extensions string) []byte {
	accept := sha1.Sum([]byte(h.get(headerKey) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, 4.2.2
	b := append(make([]byte, 0, 256), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = base64.StdEncoding.AppendEncode(append(b, "Sec-WebSocket-Accept: "...), accept[:])
	b = append(b, "\r\n"...)
	if slices.Contains(splitList(h.list(headerProtocol)), subprotocol) {
		b = append(b, headerProtocol+": "+subprotocol+"\r\n"...)
	}
	if extensions != "" {
		b = fmt.Appendf(b, "%s: %s\r\n", headerExtensions, extensions)
	}
	return append(b, "\r\n"...)
}

// bare is the socket under TLS, or the socket.
func bare(sock net.Conn) net.Conn {
	if outer, ok := sock.(interface{ NetConn() net.Conn }); ok {
		return outer.NetConn()
	}
	return sock
}

// refuse writes the error answer to a request of some method on a raw connection,
// and ends it.
func (g *Gateway) refuse(sock net.Conn, method string, r *refusal) {
	defer sock.Close()
	g.metrics.refused.WithLabelValues(fmt.Sprint(r.status)).Inc()
	body := errorBody(r.reason)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n",
		r.status, http.StatusText(r.status), len(body))
	if r.header != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", r.header, r.value)
	}
	b.WriteString("\r\n")
	if method != http.MethodHead {
		b.Write(body)
	}
	if _, err := io.WriteString(sock, b.String()); err != nil {
		return
	}
	linger(sock)
}

// linger lets the client read what was written before the connection is reset
// because of what it sent and nobody read.
func linger(sock net.Conn) {
	half, ok := sock.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = sock.SetReadDeadline(time.Now().Add(endTimeout))
	_, _ = io.CopyN(io.Discard, sock, 1<<20)
}

// answerRefusal is refuse for a request that net/http has read.
func (g *Gateway) answerRefusal(w http.ResponseWriter, r *refusal) {
	g.metrics.refused.WithLabelValues(fmt.Sprint(r.status)).Inc()
	if r.header != "" {
		w.Header().Set(r.header, r.value)
	}
	writeError(w, r.status, r.reason)
}

// errorBody is {"error":reason}.
func errorBody(reason string) []byte {
	b, err := json.Marshal(map[string]string{"error": reason})
	if err != nil {
		return []byte(`{"error":"internal error"}`)
	}
	return b
}
