//go:build !linux

package floor

func newBare() (server, error) { return nil, ErrSystem }
