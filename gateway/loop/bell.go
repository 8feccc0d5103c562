package loop

// A bell wakes one who waits at its channel. However often it is rung before that,
// it is heard once.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

// ring does not wait.
func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
