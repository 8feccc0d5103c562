package pricefeed

// Subjects on which the node that publishes answers requests. They are not below
// ticker., where everyone may listen: a listener counts as a responder, and who
// asked in vain would not be told at once.
const (
	// SubjectSnapshot is answered with a "ticker" message with "snapshot":true that
	// holds every known price in the configured order, and seq and ts of the last
	// tick, both 0 before the first. The next tick has a higher seq.
	SubjectSnapshot = "pricefeed.snapshot"

	// SubjectStatus is answered with a JSON list of bus.Status: one for each state
	// that some symbol is in, live included; empty with the simulator.
	SubjectStatus = "pricefeed.status"
)
