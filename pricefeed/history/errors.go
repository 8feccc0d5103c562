package history

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// What can be wrong with a request, in words for everyone.
const (
	ErrRequest  = Error("bad request")
	ErrSymbol   = Error("unknown symbol")
	ErrInterval = Error("unknown interval")
	ErrLimit    = Error("bad limit")
	ErrStore    = Error("history unavailable")
)

// ErrDamaged is of a row or a block that does not read as one.
const ErrDamaged = Error("damaged")
