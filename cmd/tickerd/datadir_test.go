package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func openDir(t *testing.T, path string) *dataDir {
	t.Helper()
	d, err := openDataDir(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestDataDirIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := openDir(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("mode %v, want 0700", mode)
	}
	if got, want := d.file(lockFile), filepath.Join(path, "lock"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// executable is the test's binary.
func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDataDirIsHeldByAnother has another process hold the directory, and then
// let go.
func TestDataDirIsHeldByAnother(t *testing.T) {
	path := t.TempDir()
	holder := exec.CommandContext(t.Context(), executable(t), "-test.run=^TestHoldDataDir$")
	holder.Env = append(os.Environ(), holdDataDir+"="+path)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	_, err = openDataDir(t.Context(), path)
	want := fmt.Sprintf("data directory %s: in use by process %d", path, holder.Process.Pid)
	if !errors.Is(err, errInUse) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	// One that waits gets it when the other ends.
	opened := make(chan error)
	go func() {
		d, err := openDataDir(t.Context(), path)
		if err == nil {
			err = d.Close()
		}
		opened <- err
	}()
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
}

// holdDataDir makes TestHoldDataDir hold a directory until standard input ends.
const holdDataDir = "TEST_HOLD_DATA_DIR"

func TestHoldDataDir(t *testing.T) {
	path := os.Getenv(holdDataDir)
	if path == "" {
		t.Skip("for TestDataDirIsHeldByAnother")
	}
	openDir(t, path)
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Error(err)
	}
}

// A process that is killed leaves its id behind, and no lock.
func TestDataDirOfADeadProcess(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, lockFile), "4194304\n")
	openDir(t, path)
}

func TestDataDirHolder(t *testing.T) {
	path := t.TempDir()
	held := openDir(t, path)
	for content, want := range map[string]string{
		"":       "another process",
		"here\n": "another process",
		"12\n":   "process 12",
	} {
		write(t, held.file(lockFile), content)
		if got := held.holder(); got != want {
			t.Errorf("%q: got %s, want %s", content, got, want)
		}
	}
}

func TestDataDirWaitIsInterrupted(t *testing.T) {
	path := t.TempDir()
	openDir(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := openDataDir(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if took := time.Since(began); took >= lockWait {
		t.Errorf("took %v", took)
	}
}

func TestDataDirThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	_, err := openDataDir(t.Context(), file)
	want := fmt.Sprintf("data directory %s: mkdir %s: not a directory", file, file)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
