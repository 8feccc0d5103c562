package nodetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
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

// A Node is tickerd in a process of its own. Its log is JSON.
type Node struct {
	Dir string // its data directory

	// What the log has told, once it is ready.
	URL   string // of page and API, http://127.0.0.1:41234
	Admin string // of metrics, http://127.0.0.1:41235
	Bus   string // of the port for NATS clients, 127.0.0.1:41236
	Key   string // of the user demo

	Provoked []string // what errors in the log are about that the test provokes

	Ended chan struct{} // closed when the process has
	Err   error         // then: how

	namespace string // of the network; "": ours
	settings  []string
	cmd       *exec.Cmd
	ready     chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// NewDataDir is a data directory that does not exist yet. Beside it is no
// config.toml.
func NewDataDir(tb testing.TB) string { return filepath.Join(tb.TempDir(), "data") }

// Start starts a node on a new data directory, waits until prices flow, and ends
// it with the test. A setting is such as "pricefeed.source=none".
func Start(tb testing.TB, settings ...string) *Node {
	tb.Helper()
	return StartOn(tb, NewDataDir(tb), settings...)
}

// StartOn is Start on a data directory that may have been used before.
func StartOn(tb testing.TB, dir string, settings ...string) *Node {
	tb.Helper()
	n := StartDry(tb, dir, settings...)
	Eventually(tb, "prices", func() bool { return n.Unready(tb) == "" })
	return n
}

// StartDry is StartOn without waiting for prices.
func StartDry(tb testing.TB, dir string, settings ...string) *Node {
	tb.Helper()
	n := Launch(tb, "", dir, settings...)
	n.AwaitStart(tb)
	return n
}

// AwaitStart waits until the node takes requests.
func (n *Node) AwaitStart(tb testing.TB) {
	tb.Helper()
	select {
	case <-n.ready:
	case <-n.Ended:
		tb.Fatalf("the node has ended: %v", n.Err)
	case <-time.After(Patience):
		tb.Fatal("the node does not become ready")
	}
}

// Launch is StartDry without waiting for anything, and in a network namespace; "" is ours.
func Launch(tb testing.TB, namespace, dir string, settings ...string) *Node {
	tb.Helper()
	n := &Node{Dir: dir, namespace: namespace, settings: settings, ready: make(chan struct{}), Ended: make(chan struct{})}
	n.cmd = Command(context.Background(), dir, "serve")
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
		// The system takes the end of a thread for the end of the parent. One that has
		// gone to another namespace ends with the goroutine.
		runtime.LockOSThread()
		err := Enter(namespace)
		if namespace == "" {
			defer runtime.UnlockOSThread()
		}
		if err == nil {
			err = n.cmd.Start()
		}
		started <- err
		if err == nil {
			n.read(log)
			n.Err = n.cmd.Wait()
		}
		close(n.Ended)
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		n.Kill()
		n.check(tb)
	})
	return n
}

// variable is "TICKERD_PRICEFEED_SOURCE=none" for "pricefeed.source=none".
func variable(setting string) string {
	key, value, _ := strings.Cut(setting, "=")
	return "TICKERD_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "=" + value
}

// Command is a command line of tickerd on the data directory dir.
func Command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Program, args...)
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
func (n *Node) read(log io.Reader) {
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
			n.URL = line.URL
		case "metrics and profiles":
			n.Admin = strings.TrimSuffix(line.URL, "/metrics")
		case "bus for NATS clients":
			n.Bus = strings.TrimPrefix(line.URL, "nats://")
		case "demo key, to sign in with":
			n.Key = line.APIKey
		case "ready":
			close(n.ready)
		}
	}
}

// Logged is the log so far.
func (n *Node) Logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// check fails the test for what no log may have, and shows the log if the test
// has failed.
func (n *Node) check(tb testing.TB) {
	log := n.Logged()
	for line := range strings.Lines(log) {
		isError := strings.Contains(line, `"level":"ERROR"`) || !strings.HasPrefix(line, "{") // a panic, a data race
		provoked := slices.ContainsFunc(n.Provoked, func(s string) bool { return strings.Contains(line, s) })
		if isError && !provoked {
			tb.Errorf("in the log of the node: %s", line)
		}
	}
	if tb.Failed() {
		tb.Logf("log of the node on %s:\n%s", n.Dir, log)
	}
}

// Signal sends sig to the process.
func (n *Node) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the process without any ado.
func (n *Node) Kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.Ended
}

// Stop ends the node as an operator does.
func (n *Node) Stop(tb testing.TB) {
	tb.Helper()
	n.Signal(tb, syscall.SIGTERM)
	if status := n.Wait(tb); status != 0 {
		tb.Fatalf("exit status %d after SIGTERM", status)
	}
}

// Wait waits for the end of the process and gives its exit status, -1 when a
// Signal has ended it.
func (n *Node) Wait(tb testing.TB) int {
	tb.Helper()
	select {
	case <-n.Ended:
	case <-time.After(Patience):
		tb.Fatal("the node does not end")
	}
	if exit, ok := errors.AsType[*exec.ExitError](n.Err); n.Err != nil && !ok {
		tb.Fatalf("the node: %v", n.Err)
	} else if ok {
		return exit.ExitCode()
	}
	return 0
}

// A Grant is the answer of POST /auth/token.
type Grant struct {
	Token     string `json:"token"`
	UserID    string `json:"user_id"`
	Role      string `json:"role"`
	ExpiresIn int64  `json:"expires_in"`
	Error     string `json:"error"`
}

// Exchange asks for the token of an API key.
func (n *Node) Exchange(tb testing.TB, key string) (status int, g Grant) {
	tb.Helper()
	body, err := json.Marshal(map[string]string{"api_key": key})
	if err != nil {
		tb.Fatal(err)
	}
	status, answer := n.Call(tb, http.MethodPost, "/auth/token", "", body)
	if err := json.Unmarshal(answer, &g); err != nil {
		tb.Fatalf("answer to a key: %q: %v", answer, err)
	}
	return status, g
}

// Token is the token of a key that is good.
func (n *Node) Token(tb testing.TB, key string) string {
	tb.Helper()
	status, g := n.Exchange(tb, key)
	if status != http.StatusOK || g.Token == "" {
		tb.Fatalf("no token: status %d, %s", status, g.Error)
	}
	return g.Token
}

// Unready is why /readyz says no, empty where it says yes.
func (n *Node) Unready(tb testing.TB) string {
	tb.Helper()
	status, body := n.Call(tb, http.MethodGet, "/readyz", "", nil)
	if status == http.StatusOK {
		return ""
	}
	if status != http.StatusServiceUnavailable {
		tb.Fatalf("readyz: status %d: %s", status, body)
	}
	return string(body)
}

// Call makes one HTTP request for a path, with a token unless that is empty.
func (n *Node) Call(tb testing.TB, method, path, token string, body []byte) (status int, answer []byte) {
	tb.Helper()
	return n.call(tb, method, n.URL+path, token, body)
}

// CallAdmin asks the admin listener for a path.
func (n *Node) CallAdmin(tb testing.TB, path string) (status int, answer []byte) {
	tb.Helper()
	return n.call(tb, http.MethodGet, n.Admin+path, "", nil)
}

func (n *Node) call(tb testing.TB, method, url, token string, body []byte) (status int, answer []byte) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	status, answer, err := n.request(ctx, method, url, token, body)
	if err != nil {
		tb.Fatal(err)
	}
	return status, answer
}

// Try is Call of a node that may be gone.
func (n *Node) Try(ctx context.Context, method, path, token string, body []byte) (status int, answer []byte, err error) {
	return n.request(ctx, method, n.URL+path, token, body)
}

func (n *Node) request(ctx context.Context, method, url, token string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true, DialContext: n.dial}).RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// dial connects to an address in the node's namespace. A thread that has gone there does
// not come back: it ends with its goroutine.
func (n *Node) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	var dialer net.Dialer
	if n.namespace == "" {
		return dialer.DialContext(ctx, network, address)
	}
	var dialing sync.WaitGroup
	dialing.Go(func() {
		runtime.LockOSThread()
		if err = Enter(n.namespace); err == nil {
			conn, err = dialer.DialContext(ctx, network, address)
		}
	})
	dialing.Wait()
	return conn, err
}

// A Result is what a command line came to.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run carries out a command line with the node's settings, whether the node runs or not.
func (n *Node) Run(tb testing.TB, args ...string) Result {
	tb.Helper()
	return RunOn(tb, n.Dir, n.settings, args...)
}

// Must is Run of what succeeds, and gives what it prints.
func (n *Node) Must(tb testing.TB, args ...string) string {
	tb.Helper()
	r := n.Run(tb, args...)
	if r.Status != 0 {
		tb.Fatalf("tickerd %s: status %d: %s", strings.Join(args, " "), r.Status, r.Stderr)
	}
	return r.Stdout
}

// RunOn carries out a command line on a data directory. One that does not end fails the
// test; in a cluster it may wait for an election or two.
func RunOn(tb testing.TB, dir string, settings []string, args ...string) Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*Patience)
	defer cancel()
	cmd := Command(ctx, dir, args...)
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, variable(setting))
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); ctx.Err() != nil || err != nil && !exited {
		tb.Fatalf("tickerd %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Eventually waits until something is so.
func Eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	late := time.After(Patience)
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-late:
			tb.Fatalf("waited %v for: %s", Patience, what)
		}
	}
}

// Metric is what the node counts under a name, over all labels.
func (n *Node) Metric(tb testing.TB, name string) (sum float64) {
	tb.Helper()
	_, page := n.CallAdmin(tb, "/metrics")
	for _, line := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllSubmatch(page, -1) {
		v, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			tb.Fatal(err)
		}
		sum += v
	}
	return sum
}
