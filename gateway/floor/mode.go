package floor

import "fmt"

// A Mode is how much a floor does.
type Mode string

const (
	// Bare writes every tick to every socket, one after the other, in one loop on a
	// thread of its own: the price of the system calls alone. What a socket does not
	// take at once is missing, so it is a floor only as long as one write for each
	// tick and socket is less than the machine can do. Linux only.
	Bare Mode = "bare"

	// Log is the gateway's own hub and drivers, with connections that are a cursor
	// and nothing else, and ticks that never were on a bus.
	Log Mode = "log"

	// Upgrade is the gateway's own drivers without any ticks: what it takes to come,
	// and to be there.
	Upgrade Mode = "upgrade"
)

// Modes are all there are.
var Modes = []Mode{Bare, Log, Upgrade}

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// What Serve refuses.
const (
	ErrMode   = Error("unknown mode of a floor")
	ErrSystem = Error("this floor is for Linux only")
)

// newServer makes what serves the sockets in a mode.
func newServer(m Mode) (server, error) {
	switch m {
	case Bare:
		return newBare()
	case Log:
		return newLog()
	case Upgrade:
		return newUpgrade(), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrMode, m)
}
