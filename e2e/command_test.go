package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tickerd/e2e/nodetest"
)

// TestTokenCommand uses the token that the command line prints.
func TestTokenCommand(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	token := n.Must(t, "token", "--key", n.Key, "--url", n.URL)
	c := n.Dial(t, strings.TrimSpace(token), "")
	c.Greeting()
	c.Bye()

	r := n.Run(t, "token", "--key", "tk_WRONG", "--url", n.URL)
	if r.Status != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "invalid API key") {
		t.Errorf("the token of a wrong key: %+v", r)
	}
	n.Stop(t)
	r = n.Run(t, "token", "--key", n.Key, "--url", n.URL)
	if r.Status != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "connection refused") {
		t.Errorf("the token of a server that is gone: %+v", r)
	}
}

// TestWatchCommand reads what "tickerd watch" prints, and interrupts it.
func TestWatchCommand(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)

	raw := watch(t, n, "--json", "--symbols", "ETH-*")
	var types []string
	for len(types) < 5 {
		var m nodetest.Message
		line := raw.line()
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m.Type == "ticker" && m.Of("ETH-USD") == "" || m.Of("BTC-USD") != "" {
			t.Errorf("watching ETH-*: %s", line)
		}
		types = append(types, m.Type)
	}
	if types[0] != "welcome" || types[1] != "ticker" {
		t.Errorf("the messages are %q", types)
	}
	raw.interrupt()

	lines := watch(t, n)
	change := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (BTC|ETH|SOL)-USD \d+\.\d\d$`)
	for range 10 {
		if line := lines.line(); !change.MatchString(line) {
			t.Errorf("a change is printed as %q", line)
		}
	}
	lines.interrupt()
}

// A watching is "tickerd watch" in a process of its own.
type watching struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// watch starts it with the demo key on standard input.
func watch(t *testing.T, n *nodetest.Node, flags ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	t.Cleanup(cancel)
	cmd := nodetest.Command(ctx, n.Dir, append([]string{"watch", "--key", "-", "--url", n.URL}, flags...)...)
	cmd.Stdin = strings.NewReader(n.Key + "\n")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &watching{t, cmd, bufio.NewScanner(out)}
}

// line waits for the next line.
func (w *watching) line() string {
	w.t.Helper()
	if !w.lines.Scan() {
		w.t.Fatalf("no more lines: %v", w.lines.Err())
	}
	return w.lines.Text()
}

// interrupt ends it as a person does.
func (w *watching) interrupt() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	for w.lines.Scan() { // what was on its way
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("tickerd watch, interrupted: %v", err)
	}
}

// TestInfoCommands asks the binary for its settings and its version.
func TestInfoCommands(t *testing.T) {
	t.Parallel()
	dir := nodetest.NewDataDir(t)
	r := nodetest.RunOn(t, dir, []string{"pricefeed.interval=250ms", "auth.token_key=0123456789abcdef0123456789abcdef"}, "config")
	for _, line := range []string{
		`data_dir = "` + dir + `"  # TICKERD_DATA_DIR`,
		`interval = "250ms"  # TICKERD_PRICEFEED_INTERVAL`,
		`listen = ":8081"`,
	} {
		if !strings.Contains(r.Stdout, "\n"+line+"\n") {
			t.Errorf("the settings in effect have no line %s:\n%s", line, r.Stdout)
		}
	}
	if strings.Contains(r.Stdout, "0123456789abcdef") {
		t.Error("the settings in effect show the token key")
	}
	if r := nodetest.RunOn(t, dir, nil, "version"); r.Status != 0 || !regexp.MustCompile(`^tickerd \S+.* go1\.\d+\S* \w+/\w+\n$`).MatchString(r.Stdout) {
		t.Errorf("version: %+v", r)
	}
	if r := nodetest.RunOn(t, dir, nil, "--help"); r.Status != 0 || !strings.Contains(r.Stdout, "key create") {
		t.Errorf("help: %+v", r)
	}
}
