package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes the test binary a second process on one database: it makes so
// many keys in the file, prints each key, and exits.
const childEnv = "TICKERD_TEST_MAKE_KEYS"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := makeKeys(path, 20); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func makeKeys(path string, n int) error {
	s, err := Open(context.Background(), Defaults(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for range n {
		key, _, err := s.Create(context.Background(), NewKey{User: "child"})
		if err != nil {
			return errors.Join(err, s.Close())
		}
		fmt.Println(key.Reveal())
	}
	return s.Close()
}

var discard = slog.New(slog.DiscardHandler)

// testLog is a log whose text a test can look at.
func testLog(level slog.Level) (*slog.Logger, *strings.Builder) {
	var b strings.Builder
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level})), &b
}

// openStore opens a store in a new directory.
func openStore(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "tickerd.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Defaults(), path, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// at is a clock that stands still.
func at(unix int64) func() time.Time {
	return func() time.Time { return time.Unix(unix, 0) }
}

// now0 is where standing clocks stand.
const now0 = 1_700_000_000
