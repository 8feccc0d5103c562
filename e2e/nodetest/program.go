// Package nodetest gives a test the real program: a [Node] in a process of its own, on free
// ports and with a data directory of its own, and what is outside of it: a [Client] over
// WebSocket, a [BusConn] over NATS, and the command line.
//
// The program is built once for all tests of a package, which have a TestMain that calls
// [Main]; with the race detector when the tests are.
package nodetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Patience is how long anything is waited for that must come. Nothing takes that
// long unless it is broken.
const Patience = 30 * time.Second

// Program is the path of the binary under test, while Main runs.
var Program string

// Main runs the tests of a package. It is all that their TestMain calls.
func Main(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// A suite is the tests together with the binary that they need.
type suite struct{ tests *testing.M }

// Run is of goleak.TestingM.
func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "tickerd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Program = filepath.Join(dir, "tickerd")
	if err := Build(Program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.tests.Run()
}

// Build makes the binary as these tests were made.
func Build(path string, flags ...string) error {
	args := []string{"build", "-o", path}
	if raceDetected() {
		args = append(args, "-race")
	}
	args = append(append(args, flags...), "tickerd/cmd/tickerd")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("build tickerd: %w\n%s", err, out)
	}
	return nil
}

// raceDetected reports whether the race detector watches these tests.
func raceDetected() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// AsUsed has the test start the program as its users do: the race detector would
// multiply the memory and the time that are measured here. A test that runs beside
// others must not call it, and cannot.
func AsUsed(t *testing.T) {
	t.Helper()
	t.Setenv("CGO_ENABLED", "0") // panics in a test that runs beside others
	if !raceDetected() {
		return
	}
	used := filepath.Join(filepath.Dir(Program), "used", "tickerd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", used, "tickerd/cmd/tickerd").CombinedOutput(); err != nil {
		t.Fatalf("build tickerd: %v\n%s", err, out)
	}
	watched := Program
	Program = used
	t.Cleanup(func() { Program = watched })
}
