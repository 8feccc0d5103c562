package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A node is tickerd in a process of its own. Its log is JSON.
type node struct {
	dir string // its data directory

	// What the log has told, once it is ready.
	url   string // of page and API, http://127.0.0.1:41234
	admin string // of metrics, http://127.0.0.1:41235
	bus   string // of the port for NATS clients, 127.0.0.1:41236
	key   string // of the user demo

	provoked []string // what errors in the log are about that the test provokes

	cmd   *exec.Cmd
	ready chan struct{}
	ended chan struct{} // closed when the process has
	err   error         // then: how

	mu  sync.Mutex
	log bytes.Buffer
}

// newDataDir is a data directory that does not exist yet. Beside it is no
// config.toml.
func newDataDir(tb testing.TB) string { return filepath.Join(tb.TempDir(), "data") }

// start starts a node on a new data directory, waits until prices flow, and ends
// it with the test. A setting is such as "pricefeed.source=none".
func start(tb testing.TB, settings ...string) *node {
	tb.Helper()
	return startOn(tb, newDataDir(tb), settings...)
}

// startOn is start on a data directory that may have been used before.
func startOn(tb testing.TB, dir string, settings ...string) *node {
	tb.Helper()
	n := startDry(tb, dir, settings...)
	eventually(tb, "prices", func() bool { return n.unready(tb) == "" })
	return n
}

// startDry is startOn without waiting for prices.
func startDry(tb testing.TB, dir string, settings ...string) *node {
	tb.Helper()
	n := launch(tb, dir, settings...)
	select {
	case <-n.ready:
	case <-n.ended:
		tb.Fatalf("the node has ended: %v", n.err)
	case <-time.After(patience):
		tb.Fatal("the node does not become ready")
	}
	return n
}

// launch is startDry without waiting for anything.
func launch(tb testing.TB, dir string, settings ...string) *node {
	tb.Helper()
	n := &node{dir: dir, ready: make(chan struct{}), ended: make(chan struct{})}
	n.cmd = command(context.Background(), dir, "serve")
	for _, setting := range append([]string{
		"server.listen=127.0.0.1:0", "server.admin_listen=127.0.0.1:0", "bus.listen=127.0.0.1:0", "log.format=json",
	}, settings...) {
		n.cmd.Env = append(n.cmd.Env, variable(setting))
	}
	log, err := n.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	leaveNoOrphan(n.cmd)
	started := make(chan error, 1)
	go func() {
		// The system takes the end of a thread for the end of the parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := n.cmd.Start()
		started <- err
		if err == nil {
			n.read(log)
			n.err = n.cmd.Wait()
		}
		close(n.ended)
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		n.kill()
		n.check(tb)
	})
	return n
}

// variable is "TICKERD_PRICEFEED_SOURCE=none" for "pricefeed.source=none".
func variable(setting string) string {
	key, value, _ := strings.Cut(setting, "=")
	return "TICKERD_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "=" + value
}

// command is a command line of tickerd on the data directory dir.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Dir(dir)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TICKERD_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, variable("data_dir="+dir))
	return cmd
}

// read takes what the log tells.
func (n *node) read(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		n.mu.Lock()
		n.log.Write(append(lines.Bytes(), '\n'))
		n.mu.Unlock()
		var line struct {
			Msg    string
			URL    string
			APIKey string `json:"api_key"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Msg {
		case "page and API":
			n.url = line.URL
		case "metrics and profiles":
			n.admin = strings.TrimSuffix(line.URL, "/metrics")
		case "bus for NATS clients":
			n.bus = strings.TrimPrefix(line.URL, "nats://")
		case "demo key, to sign in with":
			n.key = line.APIKey
		case "ready":
			close(n.ready)
		}
	}
}

// logged is the log so far.
func (n *node) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// check fails the test for what no log may have, and shows the log if the test
// has failed.
func (n *node) check(tb testing.TB) {
	log := n.logged()
	for line := range strings.Lines(log) {
		isError := strings.Contains(line, `"level":"ERROR"`) || !strings.HasPrefix(line, "{") // a panic, a data race
		provoked := slices.ContainsFunc(n.provoked, func(s string) bool { return strings.Contains(line, s) })
		if isError && !provoked {
			tb.Errorf("in the log of the node: %s", line)
		}
	}
	if tb.Failed() {
		tb.Logf("log of the node on %s:\n%s", n.dir, log)
	}
}

// signal sends sig to the process.
func (n *node) signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// kill ends the process without any ado.
func (n *node) kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.ended
}

// stop ends the node as an operator does.
func (n *node) stop(tb testing.TB) {
	tb.Helper()
	n.signal(tb, syscall.SIGTERM)
	if status := n.wait(tb); status != 0 {
		tb.Fatalf("exit status %d after SIGTERM", status)
	}
}

// wait waits for the end of the process and gives its exit status, -1 when a
// signal has ended it.
func (n *node) wait(tb testing.TB) int {
	tb.Helper()
	select {
	case <-n.ended:
	case <-time.After(patience):
		tb.Fatal("the node does not end")
	}
	if exit, ok := errors.AsType[*exec.ExitError](n.err); n.err != nil && !ok {
		tb.Fatalf("the node: %v", n.err)
	} else if ok {
		return exit.ExitCode()
	}
	return 0
}

// A grant is the answer of POST /auth/token.
type grant struct {
	Token     string `json:"token"`
	UserID    string `json:"user_id"`
	Role      string `json:"role"`
	ExpiresIn int64  `json:"expires_in"`
	Error     string `json:"error"`
}

// exchange asks for the token of an API key.
func (n *node) exchange(tb testing.TB, key string) (status int, g grant) {
	tb.Helper()
	body, err := json.Marshal(map[string]string{"api_key": key})
	if err != nil {
		tb.Fatal(err)
	}
	status, answer := call(tb, http.MethodPost, n.url+"/auth/token", "", body)
	if err := json.Unmarshal(answer, &g); err != nil {
		tb.Fatalf("answer to a key: %q: %v", answer, err)
	}
	return status, g
}

// token is the token of a key that is good.
func (n *node) token(tb testing.TB, key string) string {
	tb.Helper()
	status, g := n.exchange(tb, key)
	if status != http.StatusOK || g.Token == "" {
		tb.Fatalf("no token: status %d, %s", status, g.Error)
	}
	return g.Token
}

// unready is why /readyz says no, empty where it says yes.
func (n *node) unready(tb testing.TB) string {
	tb.Helper()
	status, body := call(tb, http.MethodGet, n.url+"/readyz", "", nil)
	if status == http.StatusOK {
		return ""
	}
	if status != http.StatusServiceUnavailable {
		tb.Fatalf("readyz: status %d: %s", status, body)
	}
	return string(body)
}

// call makes one HTTP request, with a token unless that is empty.
func call(tb testing.TB, method, url, token string, body []byte) (status int, answer []byte) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, answer
}

// A result is what a command line came to.
type result struct {
	status         int
	stdout, stderr string
}

// run carries out a command line on the node's data directory, whether the node
// runs or not.
func (n *node) run(tb testing.TB, args ...string) result {
	tb.Helper()
	return runOn(tb, n.dir, nil, args...)
}

// must is run of what succeeds, and gives what it prints.
func (n *node) must(tb testing.TB, args ...string) string {
	tb.Helper()
	r := n.run(tb, args...)
	if r.status != 0 {
		tb.Fatalf("tickerd %s: status %d: %s", strings.Join(args, " "), r.status, r.stderr)
	}
	return r.stdout
}

// runOn carries out a command line on a data directory. One that does not end
// fails the test.
func runOn(tb testing.TB, dir string, settings []string, args ...string) result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := command(ctx, dir, args...)
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, variable(setting))
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); ctx.Err() != nil || err != nil && !exited {
		tb.Fatalf("tickerd %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// eventually waits until something is so.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	late := time.After(patience)
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-late:
			tb.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// metric is what the node counts under a name, over all labels.
func (n *node) metric(tb testing.TB, name string) (sum float64) {
	tb.Helper()
	_, page := call(tb, http.MethodGet, n.admin+"/metrics", "", nil)
	for _, line := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllSubmatch(page, -1) {
		v, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			tb.Fatal(err)
		}
		sum += v
	}
	return sum
}
