package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDataDirThatIsReadOnly is tried by a process of a user who has no rights.
func TestDataDirThatIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "key", "list", "--config=/dev/null")
	cmd.Env = []string{asTickerd + "=1", "TICKERD_DATA_DIR=" + dir}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	want := fmt.Sprintf("tickerd: data directory %s is not writable: open %s/lock: permission denied\n", dir, dir)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != statusFailed || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("got %v, %q, want %q", err, stderr.String(), want)
	}
}
