package gateway

import (
	"strconv"

	"github.com/gobwas/ws"
)

// The close codes tell the client what to do: 4000 to 4499, reconnect; 4500 to
// 4999, do not.
const (
	closeGoingAway   = ws.StatusGoingAway    // 1001: reconnect, at once after a drain
	closeNoHandler   = ws.StatusCode(1013)   // no handler could take the connection: reconnect with backoff
	closeExpired     = ws.StatusCode(4001)   // get a token, reconnect
	closeFlood       = ws.StatusCode(4003)   // too many messages: reconnect with backoff
	closePingTimeout = ws.StatusCode(4004)   // reconnect
	closeRevoked     = ws.StatusCode(4500)   // token or key revoked
	closeNoStatus    = ws.StatusNoStatusRcvd // 1005: the client's close frame had no code
	closeAbnormal    = ws.StatusAbnormalClosure
)

// An ending is how a connection ends: what its close frame and its leave say.
type ending struct {
	code     ws.StatusCode
	reason   string
	byClient bool // the code is the client's choice
	prompt   bool // whoever does not read it at once does not get to know it
}

// label is what the metrics call it: no client chooses a label.
func (e ending) label() string {
	if e.byClient {
		return "client"
	}
	return strconv.Itoa(int(e.code))
}

var (
	endDrained     = ending{code: closeGoingAway, reason: "node is going away"}
	endNoHandler   = ending{code: closeNoHandler, reason: "no handler could take the connection"}
	endExpired     = ending{code: closeExpired, reason: "token expired", prompt: true}
	endFlood       = ending{code: closeFlood, reason: "too many messages"}
	endPingTimeout = ending{code: closePingTimeout, reason: "ping timeout"}
	endRevoked     = ending{code: closeRevoked, reason: "token or key revoked", prompt: true}
	endLost        = ending{code: closeAbnormal, reason: "connection lost"}
	endDead        = ending{code: closeAbnormal, reason: "client does not read"}
)
