package gateway

import (
	"time"

	"github.com/gobwas/ws"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
)

// A protocol is what a connection speaks once it is let in. It goes by the encoding
// of its stream.
type protocol struct {
	route     string
	text      func(message []byte) (frame []byte) // of what is no tick
	isMessage func(frame []byte) bool             // or else it serves the connection only
	ping      []byte                              // a frame that is sent
	idle      time.Duration                       // when there was no traffic for so long
	hearing   hearing                             // what is to be made of what the client sends
	goodbye   func(e ending) (frame []byte)       // the last frame
}

var protocols = [...]*protocol{fanout.Text: webSocket, fanout.Deflate: webSocket, fanout.Events: eventStream}

var webSocket = &protocol{
	route:     routeWebSocket,
	text:      func(message []byte) []byte { return frame.AppendText(nil, message) },
	isMessage: func(frame []byte) bool { return frame[0]&0xf == byte(ws.OpText) },
	ping:      frame.AppendPing(nil, nil),
	idle:      idleTimeout,
	hearing:   listening,
	goodbye:   func(e ending) []byte { return frame.AppendClose(nil, e.code, e.reason) },
}

// protocol is what the connection speaks.
func (c *conn) protocol() *protocol { return protocols[c.encoding] }
