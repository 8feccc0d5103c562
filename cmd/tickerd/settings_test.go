package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"tickerd/auth"
)

// inDir makes a new directory the working one, with content as its config.toml if
// there is any.
func inDir(t *testing.T, content string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if content != "" {
		write(t, defaultFile, content)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		file string
		env  []string
		want string
	}{
		"unknown key": {
			file: "[server]\n\nlistn = \":1\"\n",
			want: "config.toml:3: server.listn: unknown key, did you mean listen?",
		},
		"unknown key like no other": {
			file: "[server]\nzygote = 1\n",
			want: "config.toml:2: server.zygote: unknown key",
		},
		"key of another table": {
			file: "[server]\nworkers = 1\n",
			want: "config.toml:2: server.workers: unknown key, did you mean handler.workers?",
		},
		"key of several other tables": {
			file: "listen = \":1\"\n",
			want: "config.toml:1: listen: unknown key, did you mean server.listen or bus.listen?",
		},
		"key that is of no table": {
			file: "[server]\ndata_dir = \"data\"\n",
			want: "config.toml:2: server.data_dir: unknown key, did you mean data_dir before the first table?",
		},
		"unknown table": {
			file: "\n[sever]\nlisten = \":1\"\nreuse_port = true\n",
			want: "config.toml:2: sever: unknown table, did you mean server?",
		},
		"unknown nested table": {
			file: "[pricefeed.conbase]\nurl = \"ws://localhost\"\n",
			want: "config.toml:1: pricefeed.conbase: unknown table, did you mean coinbase?",
		},
		"unknown key of a nested table": {
			file: "[pricefeed]\ncoinbase.uri = \"ws://localhost\"\n",
			want: "config.toml:2: pricefeed.coinbase.uri: unknown key, did you mean url?",
		},
		"unknown key of an inline table": {
			file: "[pricefeed]\nsource = \"none\"\ncoinbase = {uri = \"ws://localhost\"}\n",
			want: "config.toml:3: pricefeed.coinbase.uri: unknown key, did you mean url?",
		},
		"unknown key in a list of tables": {
			file: "[[auth.policies]]\nname = \"a\"\n[[auth.policies]]\nnme = \"b\"\n",
			want: "config.toml:4: auth.policies[1].nme: unknown key, did you mean name?",
		},
		"unknown key in an inline list of tables": {
			file: "[auth]\npolicies = [\n {name = \"a\"},\n {nme = \"b\"},\n]\n",
			want: "config.toml:4: auth.policies[1].nme: unknown key, did you mean name?",
		},
		"unknown table in a list of tables": {
			file: "[[auth.policies]]\n[[auth.policies]]\n[auth.policies.who]\nx = 1\n",
			want: "config.toml:3: auth.policies[1].who: unknown table",
		},
		"number for a text": {
			file: "[server]\nlisten = 8081\n",
			want: "config.toml:2: server.listen: must be a string, in quotes, not a number",
		},
		"number for a secret": {
			file: "[auth]\ntoken_key = 12345678901234567\n",
			want: "config.toml:2: auth.token_key: must be a string, in quotes, not a number",
		},
		"text for a number": {
			file: "[handler]\nworkers = \"many\"\n",
			want: `config.toml:2: handler.workers: must be a whole number, not "many"`,
		},
		"fraction for a whole number": {
			file: "[handler]\nworkers = 1.5\n",
			want: "config.toml:2: handler.workers: must be a whole number, not 1.5",
		},
		"text for a boolean": {
			file: "[auth]\ndemo = \"true\"\n",
			want: `config.toml:2: auth.demo: must be true or false, not "true"`,
		},
		"not a number at all": {
			file: "[pricefeed.replay]\nspeed = nan\n",
			want: "config.toml:2: pricefeed.replay.speed: must be a number, not NaN",
		},
		"date for a number": {
			file: "[pricefeed.replay]\nspeed = 2026-01-31\n",
			want: "config.toml:2: pricefeed.replay.speed: must be a number, not a date or time",
		},
		"duration without unit": {
			file: "[pricefeed]\ninterval = \"10\"\n",
			want: `config.toml:2: pricefeed.interval: must be a duration such as "10ms", not "10"`,
		},
		"duration without quotes": {
			file: "[pricefeed]\ninterval = 10\n",
			want: `config.toml:2: pricefeed.interval: must be a duration such as "10ms", not 10`,
		},
		"text for a list": {
			file: "[pricefeed]\nsymbols = \"BTC-USD\"\n",
			want: "config.toml:2: pricefeed.symbols: must be a list, not a string",
		},
		"number in a list": {
			file: "[pricefeed]\nsymbols = [\n\"BTC-USD\", 5]\n",
			want: "config.toml:2: pricefeed.symbols: element 2: must be a string, in quotes, not a number",
		},
		"value for a table": {
			file: "server = \":8081\"\n",
			want: "config.toml:1: server: must be a table, not a string",
		},
		"table for a value": {
			file: "[server.listen]\nport = 8081\n",
			want: "config.toml:1: server.listen: must be a string, in quotes, not a table",
		},
		"table for a list of tables": {
			file: "[auth.policies]\nname = \"a\"\n",
			want: "config.toml:1: auth.policies: must be a list of tables, not a table",
		},
		"values for a list of tables": {
			file: "[auth]\npolicies = [\"user_policy\"]\n",
			want: "config.toml:2: auth.policies[0]: must be a table, not a string",
		},
		"key twice": {
			file: "[server]\nlisten = \":1\"\nlisten = \":2\"\n",
			want: "config.toml:3: server.listen: key listen is already defined",
		},
		"table twice": {
			file: "[server]\n[server]\n",
			want: "config.toml:2: server: table server already exists",
		},
		"value without quotes": {
			file: "[server]\nlisten = :8081\n",
			want: "config.toml:2: server.listen: unexpected character U+003A ':' at start of value",
		},
		"no value": {
			file: "[server]\nlisten =\n",
			want: "config.toml:2: server.listen: unexpected character U+000A at start of value",
		},
		"no key": {
			file: "[server]\nlisten\n",
			want: "config.toml:2: expected '=' after key",
		},
		"text that does not end": {
			file: "[server]\nlisten = \":8081\n",
			want: "config.toml:2: server.listen: basic strings cannot have new lines",
		},
		"table that does not end": {
			file: "\n\n[server\n",
			want: "config.toml:3: expected ']' to close table name",
		},
		"not UTF-8": {
			file: "data_dir = \"\xff\"\n",
			want: "config.toml:1: data_dir: invalid UTF-8 character in basic string",
		},
		"value that a package refuses": {
			file: "# tickerd\n[server]\nreuse_port = true\nlisten = \"nowhere\"\n",
			want: `config.toml:4: server.listen: "nowhere" is not host:port`,
		},
		"nested value that a package refuses": {
			file: "[pricefeed]\n[pricefeed.coinbase]\nurl = \"http://localhost\"\n",
			want: `config.toml:3: pricefeed.coinbase.url: scheme "http" is not ws or wss`,
		},
		"half of a pair": {
			file: "[server]\ntls_cert = \"cert.pem\"\n",
			want: "config.toml:2: server.tls_cert: is set, and tls_key is not",
		},
		"policy that auth refuses": {
			file: "[auth]\ndemo = true\n\n[[auth.policies]]\nname = \"a\"\neffect = \"maybe\"\n",
			want: `config.toml:4: auth.policies: a: effect "maybe": must be "allow" or "deny"`,
		},
		"empty data_dir": {
			file: "data_dir = \"\"\n",
			want: "config.toml:1: data_dir: must not be empty",
		},
		"log": {
			file: "[log]\nlevel = \"loud\"\n",
			want: `config.toml:2: log.level: "loud" is none of debug, info, warn, error`,
		},
		"everything at once, in order": {
			file: "[handler]\nworkers = \"a\"\nwrkers = 1\n[log]\nlevel = 1\n",
			env:  []string{"TICKERD_LOG_LEVL=info", "TICKERD_HANDLER_WORKERS=x"},
			want: `config.toml:2: handler.workers: must be a whole number, not "a"
config.toml:3: handler.wrkers: unknown key, did you mean workers?
config.toml:5: log.level: must be a string, in quotes, not a number
TICKERD_HANDLER_WORKERS: must be a whole number, not "x"
TICKERD_LOG_LEVL: unknown variable, did you mean TICKERD_LOG_LEVEL?`,
		},
		"unknown variable": {
			env:  []string{"TICKERD_SERVER_LISTN=:1"},
			want: "TICKERD_SERVER_LISTN: unknown variable, did you mean TICKERD_SERVER_LISTEN?",
		},
		"unknown variable like no other": {
			env:  []string{"TICKERD_ZYGOTE=1"},
			want: "TICKERD_ZYGOTE: unknown variable",
		},
		"variable of a table": {
			env:  []string{"TICKERD_PRICEFEED_COINBASE=ws://localhost"},
			want: "TICKERD_PRICEFEED_COINBASE: unknown variable, did you mean TICKERD_PRICEFEED_COINBASE_URL?",
		},
		"variable that is no number": {
			env:  []string{"TICKERD_GATEWAY_MESSAGE_RATE=2.5"},
			want: `TICKERD_GATEWAY_MESSAGE_RATE: must be a whole number, not "2.5"`,
		},
		"variable that is no boolean": {
			env:  []string{"TICKERD_AUTH_DEMO=yes"},
			want: `TICKERD_AUTH_DEMO: must be true or false, not "yes"`,
		},
		"variable that is no duration": {
			env:  []string{"TICKERD_AUTH_TOKEN_TTL="},
			want: `TICKERD_AUTH_TOKEN_TTL: must be a duration such as "10ms", not ""`,
		},
		"variable that a package refuses": {
			file: "[pricefeed]\nsource = \"none\"\n",
			env:  []string{"TICKERD_PRICEFEED_SOURCE=bitstamp"},
			want: `TICKERD_PRICEFEED_SOURCE: "bitstamp" is none of simulator, coinbase, kraken, binance, composite, replay, none`,
		},
		"list of tables as a variable": {
			env:  []string{"TICKERD_AUTH_POLICIES=user_policy"},
			want: "TICKERD_AUTH_POLICIES: a list of tables cannot be set by a variable, only in the file: [[auth.policies]]",
		},
		"part of a list of tables as a variable": {
			env:  []string{"TICKERD_AUTH_POLICIES_0_NAME=user_policy"},
			want: "TICKERD_AUTH_POLICIES_0_NAME: a list of tables cannot be set by a variable, only in the file: [[auth.policies]]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, tt.file)
			_, _, err := readSettings("", tt.env)
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	inDir(t, "")
	if err := os.Mkdir("dir.toml", 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"none.toml": "read config: open none.toml: no such file or directory",
		"dir.toml":  "read config: read dir.toml: is a directory",
	} {
		if _, _, err := readSettings(path, nil); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if err := os.Mkdir(defaultFile, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readSettings("", nil); err == nil {
		t.Errorf("a %s that is a directory was read", defaultFile)
	}
}

func TestPrecedence(t *testing.T) {
	inDir(t, "[server]\nlisten = \":1\"\nadmin_listen = \":2\"\n")
	write(t, "other.toml", "[server]\nlisten = \":3\"\n")

	read := func(file string, environ ...string) (settings, origins) {
		t.Helper()
		s, from, err := readSettings(file, environ)
		if err != nil {
			t.Fatal(err)
		}
		return s, from
	}
	check := func(s settings, from origins, listen, listenFrom, admin, adminFrom string) {
		t.Helper()
		got := []string{s.Server.Listen, s.Server.AdminListen}
		for _, key := range []string{"server.listen", "server.admin_listen"} {
			if at, ok := from[key]; ok {
				got = append(got, at.String())
			} else {
				got = append(got, "")
			}
		}
		if want := []string{listen, admin, listenFrom, adminFrom}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	s, from := read("")
	check(s, from, ":1", "config.toml:2", ":2", "config.toml:3")
	s, from = read("other.toml")
	check(s, from, ":3", "other.toml:2", "127.0.0.1:8082", "")
	s, from = read("other.toml", "TICKERD_SERVER_LISTEN=:4", "SERVER_LISTEN=:5", "tickerd_server_listen=:6", "TICKER=:7")
	check(s, from, ":4", "TICKERD_SERVER_LISTEN", "127.0.0.1:8082", "")
	s, from = read("", "TICKERD_SERVER_ADMIN_LISTEN=")
	check(s, from, ":1", "config.toml:2", "", "TICKERD_SERVER_ADMIN_LISTEN")

	inDir(t, "")
	s, from = read("")
	if !reflect.DeepEqual(s, defaultSettings()) || len(from) != 0 {
		t.Errorf("without any source: %+v from %v", s, from)
	}
}

func TestEveryKindOfSetting(t *testing.T) {
	inDir(t, "\ufeff"+`data_dir = "from file"
handler.workers = 3
[server]
trusted_proxies = [
  "10.0.0.0/8", # a comment
  "::1",
]
[auth]
demo = false
token_ttl = "1h30m"
policies = []
[pricefeed]
coinbase = {url = "ws://file"}
`)
	s, _, err := readSettings("", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := defaultSettings()
	want.DataDir = "from file"
	want.Handler.Workers = 3
	want.Server.TrustedProxies = []string{"10.0.0.0/8", "::1"}
	want.Auth.Demo = false
	want.Auth.TokenTTL = 90 * time.Minute
	want.Auth.Policies = []auth.Policy{}
	want.PriceFeed.Coinbase.URL = "ws://file"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("file:\ngot  %+v\nwant %+v", s, want)
	}

	s, _, err = readSettings("", []string{
		"TICKERD_DATA_DIR=from = variable",
		"TICKERD_HANDLER_WORKERS=5",
		"TICKERD_SERVER_TRUSTED_PROXIES= 192.168.0.0/16 , ::1",
		"TICKERD_SERVER_ALLOWED_ORIGINS=",
		"TICKERD_AUTH_DEMO=true",
		"TICKERD_AUTH_TOKEN_TTL=2h",
		"TICKERD_PRICEFEED_COINBASE_URL=ws://variable",
	})
	if err != nil {
		t.Fatal(err)
	}
	want.DataDir = "from = variable"
	want.Handler.Workers = 5
	want.Server.TrustedProxies = []string{"192.168.0.0/16", "::1"}
	want.Server.AllowedOrigins = []string{}
	want.Auth.Demo = true
	want.Auth.TokenTTL = 2 * time.Hour
	want.PriceFeed.Coinbase.URL = "ws://variable"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("variables:\ngot  %+v\nwant %+v", s, want)
	}
}

// Every field of every table can be set, by one name of its own.
func TestKeysAreWhole(t *testing.T) {
	var check func(at string, table reflect.Type)
	check = func(at string, table reflect.Type) {
		for f := range table.Fields() {
			name := f.Tag.Get("toml")
			if f.IsExported() && !regexp.MustCompile(`^([a-z][a-z0-9_]*|-)$`).MatchString(name) {
				t.Errorf("%s: field %s has the tag %q", at, f.Name, name)
			}
			kind := f.Type
			if kind.Kind() == reflect.Slice {
				kind = kind.Elem()
			}
			switch kind.Kind() {
			case reflect.Struct:
				check(at+"."+name, kind)
			case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
			default:
				t.Errorf("%s: field %s is a %s, which cannot be set", at, f.Name, f.Type)
			}
		}
	}
	check("", reflect.TypeFor[settings]())

	variables := map[string]string{}
	for key := range keys(reflect.ValueOf(settings{})) {
		if other, taken := variables[variable(key)]; taken {
			t.Errorf("%s is the variable of both %s and %s", variable(key), key, other)
		}
		variables[variable(key)] = key
	}
}

// config.toml is the manual of settings: it has every key, and its values are the
// defaults.
func TestShippedFile(t *testing.T) {
	const path = "../../config.toml"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := readSettings(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := defaultSettings(); !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}

	// "#key = …" shows a key that is not set.
	examples := regexp.MustCompile(`(?m)^#(\w+ = )`).ReplaceAll(data, []byte("$1"))
	shown := reader{settings: defaultSettings(), origins: origins{}}
	shown.readTOML(path, examples)
	for _, fault := range shown.faults {
		t.Errorf("example: %v", fault)
	}
	for key := range keys(reflect.ValueOf(s)) {
		if _, there := shown.origins[key]; !there {
			t.Errorf("%s is not in %s", key, path)
		}
	}
}
