package bus

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"
)

// The users of the bus. Who gives no name is the observer.
const (
	userInternal = "tickerd"
	userOperator = "operator"
	userObserver = "observer"
)

// inProcess is the network of connections within this process, a net.Pipe's.
const inProcess = "pipe"

// A gate decides who may connect to the bus, and what for.
type gate struct {
	passwords map[string][sha256.Size]byte // by user
	observer  *server.User
	closed    bool // for who comes from outside of this process
}

func newGate(internal, operator string, closed bool) *gate {
	g := &gate{
		closed:    closed,
		passwords: map[string][sha256.Size]byte{userInternal: sha256.Sum256([]byte(internal))},
		// No subject but ticker.> is open to whom nobody knows, and nothing of
		// theirs is ever routed.
		observer: &server.User{
			Username: userObserver,
			Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Deny: []string{">"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"ticker.>"}},
			},
		},
	}
	if operator != "" {
		g.passwords[userOperator] = sha256.Sum256([]byte(operator))
	}
	return g
}

// Check lets a client in, as NATS asks for each.
func (g *gate) Check(c server.ClientAuthentication) bool {
	if addr := c.RemoteAddress(); g.closed && (addr == nil || addr.Network() != inProcess) {
		return false
	}
	given := c.GetOpts()
	if given.Username == "" && given.Password == "" && given.Token == "" {
		c.RegisterUser(g.observer)
		return true
	}
	want, known := g.passwords[given.Username]
	got := sha256.Sum256([]byte(given.Password))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !known {
		return false
	}
	c.RegisterUser(&server.User{Username: given.Username})
	return true
}
