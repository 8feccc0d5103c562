package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

// startNode runs as much of a node on the data directory at path as commands
// about keys need.
func startNode(t *testing.T, path string) *auth.Store {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := openDir(t, path)
	password, err := secret(dir.file(operatorPasswordFile), minPassword, randomSecret, log)
	if err != nil {
		t.Fatal(err)
	}
	server, err := bus.Start(t.Context(), bus.Config{Node: "test", OperatorPassword: password}, dir.file(busDir), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	conn, err := server.Connect("auth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	store, err := auth.Open(t.Context(), auth.Defaults(), dir.file(databaseFile), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- auth.NewService(auth.ServiceParts{Bus: conn, Store: store, Policies: auth.NewPolicies(auth.Defaults().Policies), Log: log}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := server.ServeLocal(dir.file(socketFile)); err != nil {
		t.Fatal(err)
	}
	return store
}

// The commands do the same whether a node runs or not.
func TestKeyCommands(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string){
		"without a node": func(*testing.T, string) {},
		"beside a node":  func(t *testing.T, path string) { startNode(t, path) },
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, "")
			path := filepath.Join(t.TempDir(), "data")
			start(t, path)
			key := func(args ...string) result {
				return call(t.Context(), []string{"TICKERD_DATA_DIR=" + path}, "", append([]string{"key"}, args...)...)
			}
			list := func() []auth.Info {
				t.Helper()
				r := key("list", "--json")
				var infos []auth.Info
				if err := json.Unmarshal([]byte(r.stdout), &infos); err != nil || r.status != 0 || r.stderr != "" {
					t.Fatalf("list: %+v, %v", r, err)
				}
				return infos
			}

			if r := key("list", "--json"); r != (result{0, "[]\n", ""}) {
				t.Errorf("none: %+v", r)
			}
			if r := key("list"); r != (result{0, "ID  KEY  USER  ROLE  SYMBOLS  CREATED  EXPIRES  REVOKED  LAST USED\n", ""}) {
				t.Errorf("none: %+v", r)
			}

			r := key("create", "--user", "ann@example.com")
			if r.status != 0 || !regexp.MustCompile(`^tk_[A-Z2-7]{32}\n$`).MatchString(r.stdout) {
				t.Fatalf("create: %+v", r)
			}
			first := list()[0]
			if want := "tickerd: this is the key " + first.ID + " of ann@example.com, shown this once\n"; r.stderr != want {
				t.Errorf("got %q, want %q", r.stderr, want)
			}
			if first.UserID != "ann@example.com" || first.Role != "user" || first.ExpiresAt != nil || !strings.HasPrefix(r.stdout, first.Prefix) {
				t.Errorf("made %+v", first)
			}

			r = key("create", "--user=bob", "--role=guest", "--symbols=btc-*,ETH-USD", "--expires=720h")
			if r.status != 0 || !strings.HasSuffix(r.stderr, "tickerd: no policy is for the role guest: the key allows nothing\n") {
				t.Errorf("create: %+v", r)
			}
			second := list()[1]
			if second.ID == first.ID {
				second = list()[0] // they are of the same second
			}
			if second.Role != "guest" || strings.Join(second.Symbols, " ") != "BTC-* ETH-USD" || *second.ExpiresAt != second.CreatedAt+720*3600 {
				t.Errorf("made %+v", second)
			}

			if r := key("revoke", first.ID); r != (result{0, "", ""}) {
				t.Errorf("revoke: %+v", r)
			}
			if r := key("revoke", "nobody"); r != (result{1, "", "tickerd: revoke key nobody: unknown key\n"}) {
				t.Errorf("revoke: %+v", r)
			}
			r = key("list")
			row := regexp.MustCompile(`(?m)^` + first.ID + `  tk_[A-Z2-7]{5}…  ann@example.com  user   \*              \S+Z  -                  \S+Z  -$`)
			if r.status != 0 || !row.MatchString(r.stdout) || strings.Count(r.stdout, "\n") != 3 {
				t.Errorf("list: %+v", r)
			}

			for _, args := range [][]string{
				{"create", "--user", "ann and bob"},
				{"create", "--user", "ann", "--role", "the boss"},
				{"create", "--user", "ann", "--symbols", "BTC/USD"},
				{"create", "--user", "ann", "--expires=-1h"},
			} {
				if r := key(args...); r.status != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, "tickerd: key refused: ") ||
					!strings.HasSuffix(r.stderr, "Run \"tickerd key create --help\" to see how it is used.\n") {
					t.Errorf("%v: %+v", args, r)
				}
			}
		})
	}
}

func TestKeyCommandsShareOneDatabase(t *testing.T) {
	inDir(t, "")
	path := t.TempDir()
	environ := []string{"TICKERD_DATA_DIR=" + path}
	if r := call(t.Context(), environ, "", "key", "create", "--user=ann"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	store := startNode(t, path)
	if r := call(t.Context(), environ, "", "key", "create", "--user=bob"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	infos, err := store.List(t.Context())
	if err != nil || len(infos) != 2 {
		t.Errorf("got %+v, %v", infos, err)
	}
}

func TestKeyCommandsWithoutRights(t *testing.T) {
	inDir(t, "")
	path := t.TempDir()
	startNode(t, path)
	environ := []string{"TICKERD_DATA_DIR=" + path, "TICKERD_BUS_OPERATOR_PASSWORD=of-another-node-altogether"}
	r := call(t.Context(), environ, "", "key", "list")
	if r.status != 1 || !strings.HasPrefix(r.stderr, "tickerd: the node that runs on "+path+" does not let its operator in: ") || r.stdout != "" {
		t.Errorf("%+v", r)
	}
	write(t, filepath.Join(path, operatorPasswordFile), "short\n")
	r = call(t.Context(), environ[:1], "", "key", "list")
	if r.status != 1 || !strings.HasPrefix(r.stderr, "tickerd: secret "+path+"/operator.password has 5 bytes, not 16 or more") {
		t.Errorf("%+v", r)
	}
}

// A node that has no database, or not yet, is told from one that is down.
func TestKeyCommandsBesideANodeWithoutKeys(t *testing.T) {
	inDir(t, "")
	path := t.TempDir()
	dir := openDir(t, path)
	write(t, dir.file(operatorPasswordFile), "correct-horse-battery\n")
	server, err := bus.Start(t.Context(), bus.Config{Node: "test", OperatorPassword: "correct-horse-battery"}, dir.file(busDir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if err := server.ServeLocal(dir.file(socketFile)); err != nil {
		t.Fatal(err)
	}
	r := call(t.Context(), []string{"TICKERD_DATA_DIR=" + path}, "", "key", "create", "--user=ann")
	if want := (result{1, "", "tickerd: the node that runs on " + path + " does not answer for keys\n"}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

func TestKeyCommandsBesideAnother(t *testing.T) {
	inDir(t, "")
	path := t.TempDir()
	openDir(t, path)
	began := time.Now()
	r := call(t.Context(), []string{"TICKERD_DATA_DIR=" + path}, "", "key", "list")
	if r.status != 1 || !strings.HasPrefix(r.stderr, "tickerd: data directory "+path+": in use by process ") {
		t.Errorf("%+v", r)
	}
	if took := time.Since(began); took < lockWait {
		t.Errorf("waited %v only", took)
	}
}

func TestKeyThatCannotBeShown(t *testing.T) {
	inDir(t, "")
	var stderr strings.Builder
	p := program{environ: []string{"TICKERD_DATA_DIR=" + t.TempDir()}, stdout: fullDisk{}, stderr: &stderr}
	status := p.run(t.Context(), []string{"key", "create", "--user=ann"})
	if status != 1 || !regexp.MustCompile(`^tickerd: the key \w+ is made and cannot be shown: no space left on device\n$`).MatchString(stderr.String()) {
		t.Errorf("got %d, %q", status, &stderr)
	}
}

func TestKeysOfABrokenDatabase(t *testing.T) {
	inDir(t, "")
	path := t.TempDir()
	write(t, filepath.Join(path, databaseFile), strings.Repeat("not a database ", 1000))
	r := call(t.Context(), []string{"TICKERD_DATA_DIR=" + path}, "", "key", "list")
	if r.status != 1 || r.stdout != "" || !strings.Contains(r.stderr, filepath.Join(path, databaseFile)) {
		t.Errorf("%+v", r)
	}
}
