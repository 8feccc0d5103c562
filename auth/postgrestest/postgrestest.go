// Package postgrestest gives a test a real PostgreSQL server: on a Unix socket in a
// temporary directory, without a port, ended with the test.
package postgrestest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tickerd/bus"
)

// account is whom the server runs as where the test is root's, which it refuses to be.
const account = "postgres"

// startTimeout bounds the wait for a server that was just started.
const startTimeout = time.Minute

// A Server can be stopped, and started again with what it has kept.
type Server struct {
	t       testing.TB
	bin     string // directory of the server's programs
	dir     string // of the socket and, in data, of what is kept
	running *exec.Cmd
	output  bytes.Buffer
}

// New starts a server. Where none is installed, the test is skipped.
func New(t testing.TB) *Server {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if inPath, err := exec.LookPath("initdb"); err == nil && len(found) == 0 {
		found = []string{inPath}
	}
	if len(found) == 0 {
		t.Skip("there is no PostgreSQL server on this machine")
	}
	dir, err := os.MkdirTemp("", "pg") // not t.TempDir, into which another user cannot look
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, bin: filepath.Dir(found[len(found)-1]), dir: dir}
	t.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.own()
	initdb := s.command("initdb", "-D", s.data(), "-U", account, "-A", "trust", "-E", "UTF8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Start()
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// own gives the directory to the account.
func (s *Server) own() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup(account)
	if err != nil {
		s.t.Skip(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chown(s.dir, uid, -1); err != nil {
		s.t.Fatal(err)
	}
}

// command is one of the server's programs.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	args = append([]string{filepath.Join(s.bin, name)}, args...)
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--reuid", account, "--regid", account, "--clear-groups", "--"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	return cmd
}

// Start starts the server; it answers soon.
func (s *Server) Start() {
	s.t.Helper()
	s.running = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	s.running.Stdout, s.running.Stderr = &s.output, &s.output
	if err := s.running.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server and every connection to it.
func (s *Server) Stop() {
	if s.running == nil {
		return
	}
	if err := s.running.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	if err := s.running.Wait(); err != nil {
		s.t.Errorf("postgres: %v\n%s", err, s.output.String())
	}
	s.running = nil
}

// Database makes an empty database, and gives its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "test_" + bus.NewID()
	deadline := time.Now().Add(startTimeout)
	for {
		out, err := s.command("createdb", "-h", s.dir, "-U", account, name).CombinedOutput()
		if err == nil {
			return s.Address(name)
		}
		if time.Now().After(deadline) {
			t.Fatalf("createdb: %v\n%s%s", err, out, s.output.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Address is that of a database.
func (s *Server) Address(name string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + name, RawQuery: url.Values{"host": {s.dir}, "user": {account}}.Encode()}
	return u.String()
}
