package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything waits for the node.
const patience = 20 * time.Second

var program string // the path of the binary

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tickerd")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "tickerd")
		build := exec.Command("go", "build", "-o", program, "../cmd/tickerd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is built for use
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// A node is the real program, running.
type node struct {
	url string // http://127.0.0.1:41234
	dir string // its data directory
	key string // of the user demo
	cmd *exec.Cmd

	ended sync.WaitGroup // done when the program has ended
}

// start runs a node on free ports, with settings of the form TICKERD_…=…, and
// ends it with the test.
func start(t *testing.T, settings ...string) *node {
	t.Helper()
	n := &node{dir: filepath.Join(t.TempDir(), "data")}
	n.cmd = n.command("serve")
	n.cmd.Env = append(n.cmd.Env, "TICKERD_SERVER_LISTEN=127.0.0.1:0", "TICKERD_SERVER_ADMIN_LISTEN=",
		"TICKERD_BUS_LISTEN=", "TICKERD_LOG_FORMAT=json")
	n.cmd.Env = append(n.cmd.Env, settings...)
	log, err := n.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	var told bytes.Buffer
	n.ended.Go(func() {
		defer close(ready)
		n.read(io.TeeReader(log, &told), ready)
		_ = n.cmd.Wait() // it is killed
	})
	t.Cleanup(func() {
		_ = n.cmd.Process.Kill() // it may have ended
		n.ended.Wait()
		if t.Failed() {
			t.Logf("log of the node:\n%s", told.String())
		}
	})
	select {
	case ok := <-ready:
		if !ok {
			t.Fatal("the node has ended")
		}
	case <-time.After(patience):
		t.Fatal("the node does not become ready")
	}
	key, err := os.ReadFile(filepath.Join(n.dir, "demo.key"))
	if err != nil {
		t.Fatal(err)
	}
	n.key = strings.TrimSpace(string(key))
	return n
}

// read takes the node's address from its log, and tells when it is ready.
func (n *node) read(log io.Reader, ready chan<- bool) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, URL string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			continue
		}
		if n.url == "" && strings.HasPrefix(line.URL, "http://") {
			n.url = line.URL
		}
		if line.Msg == "ready" {
			ready <- true
		}
	}
}

// command is the program with the node's data directory.
func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Dir(n.dir) // where there is no config.toml
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TICKERD_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "TICKERD_DATA_DIR="+n.dir)
	return cmd
}

// output is what a command of the program prints.
func (n *node) output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.command(args...).Output()
	if err != nil {
		t.Fatalf("tickerd %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// token is a token for an API key.
func (n *node) token(t *testing.T, key string) string {
	t.Helper()
	resp, err := http.Post(n.url+"/auth/token", "application/json", strings.NewReader(`{"api_key":"`+key+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token: %s, %v", resp.Status, err)
	}
	return answer.Token
}

// drain asks the node to go away.
func (n *node) drain(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}
