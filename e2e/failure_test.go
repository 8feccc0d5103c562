package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tickerd/e2e/nodetest"
)

// free are the settings of a server that gets in nobody's way.
var free = []string{"server.listen=127.0.0.1:0", "server.admin_listen=", "bus.listen="}

// fails checks that a command line ends with a status and says why on standard
// error, in one line and without what only programmers understand.
func fails(t *testing.T, dir string, settings []string, status int, why string, args ...string) {
	t.Helper()
	r := nodetest.RunOn(t, dir, slices.Concat(free, settings), args...)
	said := strings.Split(strings.TrimSuffix(r.Stderr, "\n"), "\n")
	if r.Status != status || r.Stdout != "" || !strings.Contains(r.Stderr, why) {
		t.Errorf("tickerd %s with %q: status %d, wanted %d and %q:\n%s%s", strings.Join(args, " "), settings, r.Status, status, why, r.Stdout, r.Stderr)
	}
	if last := said[len(said)-1]; status == 1 && !strings.HasPrefix(last, "tickerd: ") || strings.Contains(r.Stderr, "goroutine ") {
		t.Errorf("tickerd %s with %q says:\n%s", strings.Join(args, " "), settings, r.Stderr)
	}
}

// TestPortInUse takes each of the server's ports before it.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, key := range []string{"server.listen", "server.admin_listen", "bus.listen"} {
		dir := nodetest.NewDataDir(t)
		fails(t, dir, []string{key + "=" + taken.Addr().String()}, 1, taken.Addr().String()+": bind: address already in use", "serve")
		nodetest.StartOn(t, dir) // nothing is left in the way
	}
}

// TestBadSettings starts with settings that cannot be used.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, why string }{
		{"[server]\ntrusted_proxies = [\"10.0.0.0/99\"]\n", `:2: server.trusted_proxies: "10.0.0.0/99" is not a CIDR`},
		{"# a remark\n\n[server]\nlissten = \":8081\"\n", ":4: server.lissten: unknown key, did you mean"},
		{"[pricefeed]\ninterval = \"soon\"\n", `:2: pricefeed.interval: must be a duration such as "10ms", not "soon"`},
		{"[gateway]\nmessage_rate = true\n", ":2: gateway.message_rate: must be a whole number, not true"},
		{"[server\n", ":1: "},
		{"[bus]\nroutes = [\"node-1:6222\"]\n", ":2: bus.routes: is set, and cluster_listen is not"},
	} {
		dir := nodetest.NewDataDir(t)
		file := filepath.Join(filepath.Dir(dir), "config.toml")
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, dir, nil, 1, "tickerd: config.toml"+c.why)
		fails(t, dir, nil, 1, "tickerd: "+file+c.why, "--config", file)
	}
	for setting, why := range map[string]string{
		"server.lissten=:8081":             "TICKERD_SERVER_LISSTEN: unknown variable",
		"pricefeed.interval=1":             "TICKERD_PRICEFEED_INTERVAL: ",
		"pricefeed.symbols=BTC":            "TICKERD_PRICEFEED_SYMBOLS: ",
		"pricefeed.source=nonsense":        "TICKERD_PRICEFEED_SOURCE: \"nonsense\"",
		"pricefeed.kraken.url=x":           "TICKERD_PRICEFEED_KRAKEN_URL: ",
		"pricefeed.replay.speed=0":         "TICKERD_PRICEFEED_REPLAY_SPEED: ",
		"bus.routes=node-1:6222":           "TICKERD_BUS_ROUTES: is set, and cluster_listen is not",
		"bus.cluster_listen=6222":          "TICKERD_BUS_CLUSTER_LISTEN: ",
		"bus.cluster_listen=:6222":         "bus.routes: empty",
		"bus.url=127.0.0.1:4222":           "TICKERD_BUS_URL: ",
		"auth.database=mysql://x/y":        "TICKERD_AUTH_DATABASE: ",
		"auth.token_key=short":             "TICKERD_AUTH_TOKEN_KEY: ",
		"server.tls_cert=/etc/tickerd.crt": "TICKERD_SERVER_TLS_CERT: is set, and tls_key is not",
	} {
		fails(t, nodetest.NewDataDir(t), []string{setting}, 1, "tickerd: "+why)
	}
	fails(t, nodetest.NewDataDir(t), []string{"server.listen=nowhere", "log.level=loud"}, 1, "TICKERD_LOG_LEVEL: ")
}

// TestUnreadableFile names a file of settings that cannot be read.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	dir := nodetest.NewDataDir(t)
	missing := filepath.Join(t.TempDir(), "missing.toml")
	fails(t, dir, nil, 1, "read config: open "+missing+": no such file or directory", "--config", missing)
	fails(t, dir, nil, 1, "is a directory", "--config", t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, dir, nil, 1, "not a directory", "--config", filepath.Join(file, "config.toml"))
	fails(t, dir, []string{"server.tls_cert=" + missing, "server.tls_key=" + missing}, 1, missing)
}

// TestUnusableDataDir starts where nothing can be kept. The superuser may write
// where modes forbid it, so here a name or the system does.
func TestUnusableDataDir(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unusable := map[string]string{file: "not a directory", filepath.Join(file, "data"): "not a directory"}
	if _, err := os.Stat("/proc/self"); err == nil {
		unusable["/proc/tickerd"] = "no such file or directory"
		unusable["/proc/self"] = "not writable"
	}
	for dir, why := range unusable {
		for _, args := range [][]string{{"serve"}, {"key", "list"}, {"key", "create", "--user", "ann"}} {
			fails(t, nodetest.NewDataDir(t), []string{"data_dir=" + dir}, 1, why, args...)
			fails(t, nodetest.NewDataDir(t), []string{"data_dir=" + dir}, 1, dir, args...)
		}
	}
}

// TestDamagedData starts on what a server has kept and something has damaged.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	n.Stop(t)
	for _, c := range []struct {
		file   string
		damage func([]byte) []byte
		why    string
	}{
		{"tickerd.db", func([]byte) []byte { return []byte(strings.Repeat("garbage\n", 1000)) }, "file is not a database"},
		{"tickerd.db", func(b []byte) []byte { return b[:len(b)/2] }, "malformed"},
		{"tickerd.db", func(b []byte) []byte {
			for i := 4096; i < len(b); i++ {
				b[i] ^= 0xa5
			}
			return b
		}, "damaged"},
		{"token.key", func(b []byte) []byte { return b[:8] }, "has 8 bytes, not 32 or more"},
		{"operator.password", func([]byte) []byte { return nil }, "has 0 bytes, not 16 or more"},
		{"demo.key", func([]byte) []byte { return []byte("tk_short\n") }, "not an API key"},
	} {
		file := filepath.Join(n.Dir, c.file)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, c.damage(append([]byte{}, whole...)))
		fails(t, n.Dir, nil, 1, c.why)
		fails(t, n.Dir, nil, 1, file)
		write(t, file, whole)
	}
	again := nodetest.StartOn(t, n.Dir)
	if again.Key != n.Key {
		t.Error("the demo key is another one")
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSecondServer starts a server where one runs, which notices nothing.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	c := n.Dial(t, n.Token(t, n.Key), "")
	_, snapshot := c.Greeting()
	fails(t, n.Dir, nil, 1, "data directory "+n.Dir+": in use by process ")
	checkTicks(t, c, snapshot, 10)
	n.NewKey(t, "--user", "ann")
	c.Bye()
	n.Stop(t)
	nodetest.StartOn(t, n.Dir)
}

// TestMisuse is wrong usage, which has a status of its own.
func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"zygote", "--zygote", "serve zygote", "--config", "key", "key zygote", "key create", "key revoke",
		"key create --user ann --expires soon", "token", "token --key x --url nowhere", "watch", "bench",
	} {
		fails(t, nodetest.NewDataDir(t), nil, 2, "--help", strings.Fields(line)...)
	}
}
