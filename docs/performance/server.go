package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second
	endTimeout   = 20 * time.Second // to close what is left, until it is killed
)

// A process is a server that runs.
type process struct {
	pid  int
	addr string
	key  string // an API key that it takes
	stop func()
}

// program tells how a server is started, with its directory.
func (b *binaries) program(ctx context.Context, server string, l load, dir string) *exec.Cmd {
	if server != serverTickerd {
		return exec.CommandContext(ctx, b.self, "floor", "-mode", server)
	}
	cmd := exec.CommandContext(ctx, b.tickerd)
	cmd.Dir = dir // where there is no config.toml
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TICKERD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env,
		"TICKERD_DATA_DIR="+dir,
		"TICKERD_SERVER_LISTEN=127.0.0.1:0",
		"TICKERD_SERVER_ADMIN_LISTEN=127.0.0.1:0",
		"TICKERD_BUS_LISTEN=",
		"TICKERD_LOG_FORMAT=json",
		fmt.Sprintf("TICKERD_GATEWAY_COMPRESSION=%t", l.Deflate),
	)
	return cmd
}

// start starts a server on some processors, and waits until it is ready.
func (b *binaries) start(ctx context.Context, server string, l load, cores []int) (p *process, err error) {
	dir, err := os.MkdirTemp("", "tickerd-performance-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := b.program(ctx, server, l, dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTimeout
	log, err := cmd.StderrPipe()
	if err == nil {
		err = startOn(cmd, cores)
	}
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("start %s: %w", server, err), os.RemoveAll(dir))
	}
	ready := make(chan process, 1)
	read := make(chan struct{})
	go func() { // ends with the process
		defer close(read)
		readLog(log, ready)
	}()
	stop := func() {
		cancel()
		<-read
		_ = cmd.Wait() // that it was told to end is no news
		_ = os.RemoveAll(dir)
	}
	select {
	case found := <-ready:
		found.pid, found.stop = cmd.Process.Pid, stop
		return &found, nil
	case <-read:
		err = errors.New("ended at once")
	case <-time.After(startTimeout):
		err = errors.New("is not ready")
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	return nil, fmt.Errorf("start %s: %w", server, err)
}

// readLog finds out from a server's log when it is ready, and passes on what it
// complains of.
func readLog(log io.Reader, ready chan<- process) {
	var found process
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var entry struct {
			Level, Msg, Addr string
			Key              string `json:"api_key"`
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil || entry.Level != "INFO" && entry.Level != "DEBUG" {
			fmt.Fprintf(os.Stderr, "server: %s\n", lines.Text())
			continue
		}
		switch {
		case entry.Msg == "page and API":
			found.addr = entry.Addr
		case entry.Key != "":
			found.key = entry.Key
		case entry.Msg == "ready":
			ready <- found
		}
	}
}
