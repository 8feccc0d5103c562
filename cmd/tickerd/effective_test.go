package main

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSettingsReadBack(t *testing.T) {
	inDir(t, `data_dir = "a \"quoted\" \\ path\n\u0001\u007f"
[server]
listen = ":0"
trusted_proxies = ["10.0.0.0/8", "::1"]
[auth]
token_ttl = "90m"
[[auth.policies]]
name = "a"
effect = "deny"
actions = ["*"]
resources = ["BTC-*"]
groups = ["x"]
[[auth.policies]]
name = "b"
effect = "allow"
actions = ["read"]
resources = ["*"]
groups = ["x", "y"]
[pricefeed]
source = "none"
symbols = []
`)
	first, from, err := readSettings("", []string{"TICKERD_HANDLER_WORKERS=0", "TICKERD_PRICEFEED_INTERVAL=1s"})
	if err != nil {
		t.Fatal(err)
	}
	shown := showSettings(first, from)
	write(t, "shown.toml", string(shown))
	second, _, err := readSettings("shown.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	back := maps.Collect(keys(reflect.ValueOf(second)))
	for key, want := range keys(reflect.ValueOf(first)) {
		if !same(back[key], want) {
			t.Errorf("%s: got %v, want %v", key, back[key], want)
		}
	}
}

func TestRemarks(t *testing.T) {
	inDir(t, `data_dir = "elsewhere"
log.format = "text"
server.listen = ":1"
server.trusted_proxies = []
[[auth.policies]]
name = "a"
effect = "allow"
actions = ["*"]
resources = ["*"]
groups = ["user"]
`)
	s, from, err := readSettings("", []string{"TICKERD_SERVER_LISTEN=:2", "TICKERD_PRICEFEED_SYMBOLS=BTC-USD"})
	if err != nil {
		t.Fatal(err)
	}
	remarked := slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(string(showSettings(s, from))) {
			if strings.Contains(line, "  # ") && !yield(strings.TrimSpace(line)) {
				return
			}
		}
	})
	want := []string{
		`data_dir = "elsewhere"  # config.toml:1`,
		`listen = ":2"  # TICKERD_SERVER_LISTEN`,
		`[[auth.policies]]  # config.toml:5`,
		`symbols = ["BTC-USD"]  # TICKERD_PRICEFEED_SYMBOLS`,
	}
	if !slices.Equal(remarked, want) {
		t.Errorf("got  %q\nwant %q", remarked, want)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	inDir(t, "")
	s := defaultSettings()
	var secrets int
	for key, value := range keys(reflect.ValueOf(&s).Elem()) {
		switch {
		case isSecret(key):
			secrets++
			value.SetString("hunter2")
		case regexp.MustCompile(`token_key|secret|password|credentials`).MatchString(key):
			t.Errorf("%s seems to be a secret", key)
		case value.Kind() == reflect.String:
			value.SetString("ws://user:hunter2@host/path?sslpassword=hunter2&a=b")
		case value.Type() == reflect.TypeFor[[]string]():
			value.Set(reflect.ValueOf([]string{"nats://user:hunter2@host", "ws://user:hunter2@%zz"}))
		}
	}
	if secrets != 4 {
		t.Errorf("%d secrets, want 4", secrets)
	}
	s.Auth.TokenKey = "hunter2"
	shown := string(showSettings(s, origins{"auth.token_key": {variable: "TICKERD_AUTH_TOKEN_KEY"}}))
	if strings.Contains(shown, "hunter2") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, want := range []string{
		"# token_key is set and not shown  # TICKERD_AUTH_TOKEN_KEY\n",
		`listen = "ws://user:xxxxx@host/path?a=b&sslpassword=xxxxx"` + "\n",
		`allowed_origins = ["nats://user:xxxxx@host", "xxxxx"]` + "\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("not shown: %s in\n%s", want, shown)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Millisecond: "10ms", time.Second: "1s", time.Minute: "1m", time.Hour: "1h", 20 * time.Minute: "20m",
		90 * time.Second: "1m30s", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 720 * time.Hour: "720h",
		100 * time.Hour: "100h", -time.Hour: "-1h", 10 * time.Second: "10s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// Whatever a file and a variable hold, there is no panic, a fault names a line
// that exists, and what is good reads back.
func FuzzSettings(f *testing.F) {
	f.Add("[server]\nlisten = \":1\"\n", "TICKERD_SERVER_LISTEN=:2")
	f.Add("[[auth.policies]]\nname = \"a\"\n[auth.policies.x]\ny = 1\n", "TICKERD_AUTH_POLICIES=")
	f.Add("auth.policies = [{name = \"a\", actions = [\"*\"]}]\na.b.c = [[{}, 1], 2]\n", "TICKERD_PRICEFEED_SYMBOLS=,")
	f.Add("[auth]\npolicies = [1]\n\"server.listen\" = 1\n", "TICKERD_AUTH_TOKEN_TTL=1h")
	f.Add("a = \"\"\"\n\n\"\"\" b\n", "TICKERD_PRICEFEED_REPLAY_SPEED=1e-3")
	f.Add("\ufeff[log]\nlevel = 'debug'\r\nlevel = 1", "TICKERD_BUS_URL=nats://a:b@c?password=d")
	f.Add("pricefeed.coinbase.url = \"\\u0000\"\n", "TICKERD_")
	f.Fuzz(func(t *testing.T, file, pair string) {
		r := reader{settings: defaultSettings(), origins: origins{}}
		r.readTOML("f", []byte(file))
		if utf8.ValidString(pair) {
			r.readEnvironment([]string{pair})
		}
		for _, fault := range r.faults {
			if fault.origin.variable == "" && (fault.origin.line < 1 || fault.origin.line > strings.Count(file, "\n")+1) {
				t.Errorf("line %d of %q: %v", fault.origin.line, file, fault)
			}
		}
		if r.faults != nil {
			return
		}
		_ = r.settings.validate()
		for key, value := range keys(r.root()) {
			if isSecret(key) {
				value.SetZero()
			}
		}
		shown := showSettings(r.settings, nil)
		again := reader{settings: defaultSettings(), origins: origins{}}
		again.readTOML("f", shown)
		if again.faults != nil {
			t.Fatalf("not read back: %v\n%s", again.faults, shown)
		}
		if back := showSettings(again.settings, nil); string(back) != string(shown) {
			t.Errorf("read back as\n%s\nwant\n%s", back, shown)
		}
	})
}
