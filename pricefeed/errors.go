package pricefeed

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// Why a feed is not ready. The text is for everyone to see.
const (
	ErrNoTick      = Error("no price has been published yet")
	ErrUnpublished = Error("prices cannot be published")
)
