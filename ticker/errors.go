package ticker

// Error is a constant error; the reason of a particular failure is wrapped
// around it.
type Error string

func (e Error) Error() string { return string(e) }

// What can be wrong with foreign text.
const (
	ErrSymbol  = Error("malformed symbol")
	ErrPattern = Error("malformed pattern")
	ErrDecimal = Error("malformed price")
	ErrTick    = Error("malformed tick")
	ErrRules   = Error("too many symbols")
)
