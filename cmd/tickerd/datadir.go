package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// What stands in a data directory.
const (
	lockFile     = "lock"       // locked by the process that works here, with its id in it
	socketFile   = "bus.sock"   // where the running node is reached
	databaseFile = "tickerd.db" // the keys
	busDir       = "bus"        // what the bus keeps

	tokenKeyFile         = "token.key"
	operatorPasswordFile = "operator.password"
	demoKeyFile          = "demo.key"
)

// errInUse is a data directory that another process holds.
var errInUse = errors.New("in use")

// lockWait is how long one waits for that other process, which may be a command
// that takes a moment only.
const lockWait = time.Second

// dataDir is the directory of everything that is kept, held by this process alone
// until Close.
type dataDir struct {
	path string
	lock *flock.Flock
}

// openDataDir makes the directory at path if it is missing, and takes hold of it.
func openDataDir(ctx context.Context, path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	d := &dataDir{path, flock.New(filepath.Join(path, lockFile), flock.SetFlag(os.O_CREATE|os.O_RDWR))}
	wait, cancel := context.WithTimeoutCause(ctx, lockWait, errInUse)
	defer cancel()
	_, err := d.lock.TryLockContext(wait, 10*time.Millisecond)
	switch {
	case err != nil && errors.Is(context.Cause(wait), errInUse):
		return nil, fmt.Errorf("data directory %s: %w by %s", path, errInUse, d.holder())
	case err != nil && wait.Err() != nil:
		return nil, wait.Err()
	case err != nil:
		return nil, fmt.Errorf("data directory %s is not writable: %w", path, err)
	}
	// For holder's eyes only: some systems let nobody write to a locked file.
	_ = os.WriteFile(d.lock.Path(), fmt.Appendln(nil, os.Getpid()), 0o600)
	return d, nil
}

// Close lets go of the directory.
func (d *dataDir) Close() error { return d.lock.Unlock() }

// file is the path of one of the directory's files.
func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// holder names the process that holds the directory.
func (d *dataDir) holder() string {
	data, err := os.ReadFile(d.lock.Path())
	if err != nil {
		return "another process"
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
