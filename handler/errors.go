package handler

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

const errNoReply = Error("no address to answer at")
