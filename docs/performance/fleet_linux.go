package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tickerd/cmd/tickerd/bench"
)

// A fleet is several processes of tickerd, which end with it.
type fleet struct {
	*binaries
	ctx    context.Context // ends all
	dir    string
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// fleetKey and fleetPassword are those of all nodes, for an hour in a network of their own.
const (
	fleetKey      = "0123456789abcdef0123456789abcdef"
	fleetPassword = "correct-horse-battery-staple"
)

func newFleet(ctx context.Context, b *binaries) (*fleet, error) {
	dir, err := os.MkdirTemp("", "tickerd-fleet-")
	if err != nil {
		return nil, err
	}
	f := &fleet{binaries: b, dir: dir}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f, nil
}

// end ends every process, and waits for them.
func (f *fleet) end() {
	f.cancel()
	f.all.Wait()
	_ = os.RemoveAll(f.dir)
}

// A member is a node of the fleet.
type member struct {
	name string
	pid  int

	mu      sync.Mutex
	said    map[string]bool // messages of its log
	key     string          // the demo key
	trouble []string        // lines of its log that are errors
	ended   chan struct{}   // closed when it has
}

// oneOfMany is a setting that gateways have, and no other node.
const oneOfMany = "pricefeed.source=none"

// node starts one. A setting is such as "pricefeed.source=none".
func (f *fleet) node(name string, settings ...string) (*member, error) {
	cmd := exec.CommandContext(f.ctx, f.tickerd)
	cmd.Env = append(cleanEnviron(), "TICKERD_DATA_DIR="+filepath.Join(f.dir, name))
	if slices.Contains(settings, oneOfMany) {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	for _, s := range append([]string{
		"bus.node=" + name, "auth.token_key=" + fleetKey, "bus.operator_password=" + fleetPassword, "log.format=json",
		"server.admin_listen=", "bus.listen=",
	}, settings...) {
		key, value, _ := strings.Cut(s, "=")
		cmd.Env = append(cmd.Env, "TICKERD_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
	}
	log, err := f.launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m := &member{name: name, pid: cmd.Process.Pid, said: map[string]bool{}, ended: make(chan struct{})}
	f.all.Go(func() {
		m.read(log)
		_ = cmd.Wait() // that it was told to end is no news
		close(m.ended)
	})
	return m, nil
}

// gateway starts a node that is nothing else, and one of many: it runs on one processor
// at a time.
func (f *fleet) gateway(name string, settings ...string) (*member, error) {
	return f.node(name, append([]string{"auth.database=none", oneOfMany}, settings...)...)
}

// busFirst is for buses that share a machine which is full: else nodes do not hear one
// another in time, and let nobody in.
const busFirst = -10

// prefer gives a process that was launched more of the processor, or less, as nice does:
// all of its threads, which its group has.
func prefer(pid, nice int) error {
	if err := unix.Setpriority(unix.PRIO_PGRP, pid, nice); err != nil {
		return fmt.Errorf("nice: %w", err)
	}
	return nil
}

// unhurried has a process that was launched interrupt no other when it wakes up: where a
// hundred share two processors, each would have little done before the next one comes, and
// find the caches cold. It comes before prefer, which it takes back. Threads that are made
// later inherit it; those that are made meanwhile are found in another pass.
func unhurried(pid int) error {
	seen := map[string]bool{}
	for before := -1; before < len(seen); {
		before = len(seen)
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		for _, t := range threads {
			if seen[t.Name()] {
				continue
			}
			seen[t.Name()] = true
			id, err := strconv.Atoi(t.Name())
			if err == nil {
				err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) { // the thread has ended
				return fmt.Errorf("SCHED_BATCH: %w", err)
			}
		}
	}
	return nil
}

// launch starts a process that ends with this one, and gives what it says on standard
// error.
func (f *fleet) launch(cmd *exec.Cmd) (io.Reader, error) {
	cmd.Dir = f.dir // where there is no config.toml
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true, // Ctrl-C is for this process alone
		Pdeathsig: syscall.SIGKILL,
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	return said, cmd.Start()
}

func cleanEnviron() (list []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TICKERD_") {
			list = append(list, v)
		}
	}
	return list
}

// read takes what a node logs.
func (m *member) read(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var entry struct {
			Level, Msg string
			Key        string `json:"api_key"`
		}
		m.mu.Lock()
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil || entry.Level == "ERROR" {
			m.trouble = append(m.trouble, lines.Text())
		}
		m.said[entry.Msg] = true
		if entry.Key != "" {
			m.key = entry.Key
		}
		m.mu.Unlock()
	}
}

// has reports whether a node's log has a message.
func (m *member) has(msg string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.said[msg]
}

// isEnded reports whether the process has ended.
func (m *member) isEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// troubles are a node's errors, with its name.
func (m *member) troubles() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.trouble) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", m.name, strings.Join(m.trouble[:min(len(m.trouble), 3)], "\n"))
}

// await waits until all of some nodes have logged a message.
func (f *fleet) await(list []*member, msg string) error {
	return f.until(fmt.Sprintf("all nodes to say %q", msg), func() (bool, error) {
		for _, m := range list {
			if m.isEnded() {
				return false, errors.Join(fmt.Errorf("%s has ended", m.name), m.troubles())
			}
			if !m.has(msg) {
				return false, nil
			}
		}
		return true, nil
	})
}

// awaitTimeout bounds the wait for what takes seconds on a machine that is not busy.
const awaitTimeout = 5 * time.Minute

// until waits until something is so.
func (f *fleet) until(what string, is func() (bool, error)) error {
	late := time.After(awaitTimeout)
	for {
		if yes, err := is(); yes || err != nil {
			return err
		}
		select {
		case <-f.ctx.Done():
			return f.ctx.Err()
		case <-late:
			return fmt.Errorf("waited in vain for %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// inTouch is what a node of a cluster logs when it lets clients in.
const inTouch = "in touch with the cluster"

// token exchanges a node's demo key, as soon as the nodes agree on it.
func (f *fleet) token(m *member, url string) (token string, err error) {
	m.mu.Lock()
	key := m.key
	m.mu.Unlock()
	err = f.until("a token", func() (bool, error) {
		var out bytes.Buffer
		cmd := exec.CommandContext(f.ctx, f.tickerd, "token", "--key", key, "--url", url)
		cmd.Env, cmd.Dir, cmd.Stdout = cleanEnviron(), f.dir, &out
		refused := cmd.Run() != nil
		token = strings.TrimSpace(out.String())
		return !refused, nil
	})
	return token, err
}

// A herd is the clients of one process.
type herd struct {
	pid int

	begin  io.Closer // lets them measure
	ended  chan struct{}
	report bytes.Buffer // when it has ended
	err    error

	mu    sync.Mutex
	line  string // what it says of itself
	ready bool   // it waits to begin
}

// herd starts clients, which wait to begin.
func (f *fleet) herd(env []string, args ...string) (*herd, error) {
	h := &herd{ended: make(chan struct{})}
	cmd := exec.CommandContext(f.ctx, f.tickerd, append([]string{"bench", "--json", "--together"}, args...)...)
	cmd.Env = append(cleanEnviron(), env...)
	cmd.Stdout = &h.report
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	said, err := f.launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	h.pid, h.begin = cmd.Process.Pid, in
	f.all.Go(func() {
		defer close(h.ended)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			h.mu.Lock()
			h.line = strings.TrimPrefix(lines.Text(), "tickerd: ")
			h.ready = h.ready || strings.HasPrefix(h.line, "waiting to begin")
			h.mu.Unlock()
		}
		if err := cmd.Wait(); err != nil {
			h.err = fmt.Errorf("bench: %w: %s", err, h.says())
		}
	})
	return h, nil
}

func (h *herd) says() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.line
}

func (h *herd) isReady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// opened is how many connections it has so far.
func (h *herd) opened() (n int) { return openedOf(h.says()) }

// openedOf reads "waiting for first snapshots 1,234/18,000, 2 failed".
func openedOf(line string) (n int) {
	for word := range strings.FieldsSeq(line) {
		if opened, _, found := strings.Cut(word, "/"); found {
			_, _ = fmt.Sscan(strings.ReplaceAll(opened, ",", ""), &n)
		}
	}
	return n
}

// measured lets herds measure, and adds up what they report.
func (f *fleet) measured(herds []*herd) (*bench.Report, error) {
	for _, h := range herds {
		if err := h.begin.Close(); err != nil {
			return nil, err
		}
	}
	var list []bench.Report
	for _, h := range herds {
		<-h.ended
		if h.err != nil {
			return nil, h.err
		}
		var r bench.Report
		if err := json.Unmarshal(h.report.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		list = append(list, r)
	}
	return bench.Merge(list)
}

// usage is what some processes take.
type usage struct {
	cpu  float64 // seconds, since they began
	rss  int64   // resident
	anon int64   // of that, what is not a file's
}

func usageOf(pids ...int) (u usage, err error) {
	for _, pid := range pids {
		c, err := cpuTimeOf(pid)
		if err != nil {
			return u, err
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return u, err
		}
		u.cpu += c.total()
		for name, to := range map[string]*int64{"VmRSS": &u.rss, "RssAnon": &u.anon} {
			kb, err := number(string(text), `(?m)^`+name+`:\s+(\d+) kB$`)
			if err != nil {
				return u, err
			}
			*to += kb << 10
		}
	}
	return u, nil
}
