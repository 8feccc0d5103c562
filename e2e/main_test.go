// Package e2e_test runs tickerd as its users do: the real program in a process
// of its own, real sockets, the real page in a real browser.
//
// A test starts a [node] on free ports with a data directory of its own, is its
// client over WebSocket ([client]) and NATS ([natsConn]) and in a [browser], and
// waits for what must come; none waits for time to pass. The program is built
// once, with the race detector when the tests are.
//
//	go test ./e2e                                        everything
//	go test ./e2e -run Page -v -artifacts -outputdir .   the page, and keep its pictures
//	go test ./e2e -run '^$' -bench . -benchtime 1x       the figures of the README
package e2e_test

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

// patience is how long anything is waited for that must come. Nothing takes that
// long unless it is broken.
const patience = 30 * time.Second

// program is the path of the binary under test.
var program string

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite is the tests together with the binary that they need.
type suite struct{ *testing.M }

func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "tickerd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "tickerd")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.M.Run()
}

// build makes the binary as these tests were made.
func build(path string, flags ...string) error {
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
