package exchange

import "sync/atomic"

// Stats counts since the start.
type Stats struct {
	Attempts uint64 // to connect
	Connects uint64 // of these, that succeeded
	Messages uint64 // that came, whole
	Bad      uint64 // of these, that made no sense
	Outdated uint64 // of these, that were older than what had come before
}

type counters struct {
	attempts, connects, messages, bad, outdated atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Attempts: c.attempts.Load(),
		Connects: c.connects.Load(),
		Messages: c.messages.Load(),
		Bad:      c.bad.Load(),
		Outdated: c.outdated.Load(),
	}
}
