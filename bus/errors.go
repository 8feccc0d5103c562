package bus

import "fmt"

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// ErrNoResponders is a request's failure where nobody listens.
const ErrNoResponders = Error("no responders")

// KeyError is a setting that cannot be used.
type KeyError struct {
	Key string // within its table: "listen"
	Err error
}

func (e *KeyError) Error() string { return fmt.Sprintf("%s: %v", e.Key, e.Err) }
func (e *KeyError) Unwrap() error { return e.Err }
