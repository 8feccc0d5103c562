package standin

import (
	"bytes"
	"encoding/json"

	"github.com/gobwas/ws"
)

// frame is an unfragmented frame of a server.
func frame(op ws.OpCode, payload []byte) []byte {
	b := bytes.NewBuffer(make([]byte, 0, ws.MaxHeaderSize+len(payload)))
	// A buffer takes everything, and a length is never negative.
	_ = ws.WriteHeader(b, ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))})
	b.Write(payload)
	return b.Bytes()
}

func textFrame(text []byte) []byte { return frame(ws.OpText, text) }

// jsonFrame is a frame with a message of package protocol.
func jsonFrame(message any) []byte {
	text, _ := json.Marshal(message) // every one of them has a form in JSON
	return textFrame(text)
}
