package auth

// Error is a constant error; the reason of a particular failure is wrapped
// around it.
type Error string

func (e Error) Error() string { return string(e) }

// Why a token is refused. Clients see one message for all of them.
const (
	ErrTokenMalformed = Error("malformed token")
	ErrTokenSignature = Error("bad signature")
	ErrTokenForeign   = Error("token of another issuer, key or audience")
	ErrTokenEarly     = Error("token not valid yet")
	ErrTokenExpired   = Error("token expired")
	ErrTokenRevoked   = Error("token revoked")
)

// What else can go wrong.
const (
	// ErrNotReady is a token's refusal while this node does not yet know what was
	// revoked.
	ErrNotReady = Error("revocations not known yet")
	// ErrKeyInvalid is Sign's failure for a key that is unknown, revoked or over.
	ErrKeyInvalid = Error("invalid API key")
	// ErrKeyMalformed is text that is no API key.
	ErrKeyMalformed = Error("not an API key (tk_ and 32 letters and digits)")
	// ErrKeyRefused is a key that cannot be made as asked for.
	ErrKeyRefused = Error("key refused")
	// ErrUnknownKey is the revocation of a key that there is not.
	ErrUnknownKey = Error("unknown key")
	// ErrUnavailable is the store of the asked node not answering.
	ErrUnavailable = Error("database unavailable")
	// ErrUnreachable is this node not being in touch with the majority of the nodes that
	// keep what is known of keys, or not having caught up with them yet.
	ErrUnreachable = Error("cluster unreachable")
	// ErrNewerSchema is a database that a newer tickerd has changed.
	ErrNewerSchema = Error("made by a newer version of tickerd")
	// ErrRevocation is a revocation that does not say what it revokes.
	ErrRevocation = Error("malformed revocation")
)
