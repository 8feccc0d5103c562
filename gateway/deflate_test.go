package gateway_test

import (
	"io"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// offer is what browsers send.
const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// frameAsIs reads a frame, with its reserved bits.
func (c *wire) frameAsIs() ws.Frame {
	c.t.Helper()
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	if _, err := io.ReadFull(c.r, f.Payload); err != nil {
		c.t.Fatal(err)
	}
	return f
}

// inflated reads a frame, which is compressed if it says so.
func (c *wire) inflated() (payload string, compressed bool) {
	c.t.Helper()
	f := c.frameAsIs()
	var err error
	if compressed, err = wsflate.IsCompressed(f.Header); err == nil && compressed {
		f, err = wsflate.DecompressFrame(f)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return string(f.Payload), compressed
}

// Who offers compression gets the same stream in fewer bytes, and may compress
// what it says.
func TestCompression(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.gateway.Compression = true })
	prices := []string{"BTC-USD=1", "ETH-USD=1", "SOL-USD=1", "XRP-USD=1"}
	w.tick(prices...)
	for _, by := range []way{first, second} {
		c := w.dialBy(by)
		c.send(upgrade(w.demo()).and(offer).String())
		const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		if r := c.reply("GET"); r.status != 101 || r.header.Get("Sec-WebSocket-Extensions") != agreed {
			t.Fatalf("%s: got %+v", by, r)
		}
		c.inflated() // the welcome
		if s, compressed := c.inflated(); !compressed || s[:len(`{"type":"ticker","snapshot":true`)] != `{"type":"ticker","snapshot":true` {
			t.Errorf("%s: snapshot: compressed %v: %s", by, compressed, s)
		}
		want := w.tick(prices...)
		if s, compressed := c.inflated(); !compressed || s != want {
			t.Errorf("%s: tick: compressed %v: %s", by, compressed, s)
		}
		said, err := wsflate.CompressFrame(ws.NewTextFrame([]byte(`{"type":"unknown","id":1}`)))
		if err != nil {
			t.Fatal(err)
		}
		if err := ws.WriteFrame(c, ws.MaskFrame(said)); err != nil {
			t.Fatal(err)
		}
		const reply = `{"type":"error","code":"unknown_type","message":"unknown type \"unknown\"","id":1}`
		if s, _ := c.inflated(); s != reply {
			t.Errorf("%s: got %s", by, s)
		}
		c.send(closeOf(1000, ""))
		if f := c.frameAsIs(); f.Header.OpCode != ws.OpClose {
			t.Errorf("%s: got %v", by, f)
		}
	}
}

// Where it is not switched on, the offer is passed over.
func TestNoCompression(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick("BTC-USD=1")
	c := w.dial()
	c.send(upgrade(w.demo()).and(offer).String())
	if r := c.reply("GET"); r.status != 101 || r.header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("got %+v", r)
	}
	for _, what := range []string{"welcome", "snapshot"} {
		if s, compressed := c.inflated(); compressed {
			t.Errorf("%s: compressed: %s", what, s)
		}
	}
	want := w.tick("BTC-USD=2")
	if s, compressed := c.inflated(); compressed || s != want {
		t.Errorf("compressed %v: %s", compressed, s)
	}
}
