package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"tickerd/bus"
)

// createRequest is the payload of auth.keys.create.
type createRequest struct {
	KeyHash   string   `json:"key_hash"`
	Prefix    string   `json:"prefix"`
	UserID    string   `json:"user_id"`
	Role      string   `json:"role,omitempty"`
	Symbols   []string `json:"symbols,omitempty"`
	ExpiresIn int64    `json:"expires_in,omitempty"` // seconds; 0: never
}

// newKey is what is asked for, or ErrKeyRefused.
func (r createRequest) newKey() (NewKey, error) {
	const longest = int64(math.MaxInt64 / time.Second)
	if r.ExpiresIn < 0 || r.ExpiresIn > longest {
		return NewKey{}, fmt.Errorf("%w: expires_in %d: must be from 0 (never) to %d", ErrKeyRefused, r.ExpiresIn, longest)
	}
	return NewKey{User: r.UserID, Role: r.Role, Symbols: r.Symbols, Expires: time.Duration(r.ExpiresIn) * time.Second}, nil
}

// listRequest is the payload of auth.keys.list.
type listRequest struct {
	After *Info `json:"after,omitempty"` // the last key of the page before
}

// revokeRequest is the payload of auth.keys.revoke.
type revokeRequest struct {
	ID string `json:"id"`
}

// keysAnswer answers them all.
type keysAnswer struct {
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"` // for people; only with codeRefused
	Key     *Info  `json:"key,omitempty"`
	Keys    []Info `json:"keys,omitempty"`
}

// What keysAnswer.Error says.
const (
	codeRefused     = "refused"
	codeUnknownKey  = "unknown_key"
	codeUnavailable = "unavailable"
	codeUnreachable = "unreachable"
)

const errRequest = Error("request not understood")

// failure is err as an answer; of a store's trouble, nothing but that.
func failure(err error) keysAnswer {
	switch {
	case errors.Is(err, ErrKeyRefused), errors.Is(err, errRequest):
		return keysAnswer{Error: codeRefused, Message: err.Error()}
	case errors.Is(err, ErrUnknownKey):
		return keysAnswer{Error: codeUnknownKey}
	case errors.Is(err, ErrUnreachable):
		return keysAnswer{Error: codeUnreachable}
	default:
		return keysAnswer{Error: codeUnavailable}
	}
}

// refusal is an ErrKeyRefused that came over the bus.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrKeyRefused }

// err is the inverse of failure.
func (a keysAnswer) err() error {
	switch a.Error {
	case "":
		return nil
	case codeRefused:
		return refusal(a.Message)
	case codeUnknownKey:
		return ErrUnknownKey
	case codeUnavailable:
		return ErrUnavailable
	case codeUnreachable:
		return ErrUnreachable
	default:
		return fmt.Errorf("answer %q not understood", clip(a.Error))
	}
}

// Remote is the Keys of a running node, asked over the bus. Where no node with a
// database runs, it fails with bus.ErrNoResponders.
type Remote struct{ conn *bus.Conn }

// NewRemote asks over conn.
func NewRemote(conn *bus.Conn) *Remote { return &Remote{conn} }

// Create makes a key here, and has its hash stored there: see [Keys].
func (r *Remote) Create(ctx context.Context, k NewKey) (Key, Info, error) {
	k, err := k.checked()
	if err != nil {
		return "", Info{}, err
	}
	key := RandomKey()
	answer, err := r.ask(ctx, bus.KeyCreate, createRequest{
		KeyHash: key.Hash(), Prefix: key.Prefix(), UserID: k.User, Role: k.Role,
		Symbols: k.Symbols, ExpiresIn: int64(k.Expires / time.Second),
	})
	if err == nil && answer.Key == nil {
		err = errors.New("answer without a key")
	}
	if err != nil {
		return "", Info{}, err
	}
	return key, *answer.Key, nil
}

// List gives all keys: see [Keys].
func (r *Remote) List(ctx context.Context) ([]Info, error) {
	return allPages(func(last *Info) ([]Info, error) {
		answer, err := r.ask(ctx, bus.KeyList, listRequest{After: last})
		return answer.Keys, err
	})
}

// Revoke ends a key: see [Keys].
func (r *Remote) Revoke(ctx context.Context, id string) error {
	_, err := r.ask(ctx, bus.KeyRevoke, revokeRequest{ID: id})
	if err != nil {
		return fmt.Errorf("revoke key %s: %w", clip(id), err)
	}
	return nil
}

func (r *Remote) ask(ctx context.Context, subject string, request any) (keysAnswer, error) {
	var answer keysAnswer
	if err := r.conn.RequestNear(ctx, subject, request, &answer); err != nil {
		return keysAnswer{}, err
	}
	return answer, answer.err()
}
