// Package bell wakes one who waits.
package bell

// A Bell wakes one who waits at its channel. However often it is rung before that,
// it is heard once.
type Bell chan struct{}

// New makes a bell.
func New() Bell { return make(Bell, 1) }

// Ring does not wait.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
