package replay

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// What can be wrong with a recording.
const (
	ErrNoPrice = Error("no prices")
	ErrTime    = Error("a time that is none")
)
