package auth

import "sync/atomic"

// A contact is whether this node is in touch with the others, and has caught up with them
// since it is. It is safe for concurrent use.
type contact struct {
	turn    atomic.Uint64 // grows with each call of turned; odd: in touch
	current atomic.Uint64 // the turn for which it has caught up
}

// turned takes note that the node is in touch anew, or is not. Who is in touch twice may
// have been out of it in between.
func (c *contact) turned(in bool) {
	for {
		turn := c.turn.Load()
		next := turn + 1
		if in == (turn%2 == 1) {
			next++
		}
		if c.turn.CompareAndSwap(turn, next) {
			return
		}
	}
}

// begin gives the turn for which is to be caught up, if that is to be done.
func (c *contact) begin() (turn uint64, due bool) {
	turn = c.turn.Load()
	return turn, turn%2 == 1 && c.current.Load() != turn
}

// caughtUp takes note that it is done for a turn, which may be over by now.
func (c *contact) caughtUp(turn uint64) { c.current.Store(turn) }

// isIn reports whether the node is in touch.
func (c *contact) isIn() bool { return c.turn.Load()%2 == 1 }

// isCurrent reports whether it has caught up as well.
func (c *contact) isCurrent() bool {
	turn := c.turn.Load()
	return turn%2 == 1 && c.current.Load() == turn
}
