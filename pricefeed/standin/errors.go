package standin

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// ErrFault is wrapped by what is wrong with the text of a Fault.
const ErrFault = Error("not a fault")
