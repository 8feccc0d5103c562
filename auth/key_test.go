package auth

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func TestRandomKey(t *testing.T) {
	shape := regexp.MustCompile(`^tk_[A-Z2-7]{32}$`)
	seen := make(map[Key]bool)
	for range 1000 {
		k := RandomKey()
		if !shape.MatchString(string(k)) || seen[k] {
			t.Fatalf("%q", string(k))
		}
		seen[k] = true
		if !k.wellFormed() {
			t.Fatalf("%q: is not well-formed", k.Reveal())
		}
	}
}

func TestMalformedKeys(t *testing.T) {
	good := string(RandomKey())
	for _, s := range []string{"", "tk_", good[:34], good + "A", "xk_" + good[3:], strings.ToLower(good), good[:34] + "1", good[:34] + "\n", " " + good[1:]} {
		if Key(s).wellFormed() {
			t.Errorf("%q: is well-formed", s)
		}
	}
}

func TestKeyHash(t *testing.T) {
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if got := Key("abc").Hash(); got != want {
		t.Error(got)
	}
}

func TestKeyRedactsItself(t *testing.T) {
	for _, k := range []Key{RandomKey(), "hunter2hunter2hunter2"} {
		text, logged := testLog(slog.LevelInfo)
		text.Info("x", "api_key", k, "in", []Key{k}, "ptr", &k)
		slog.New(slog.NewJSONHandler(logged, nil)).Info("x", "api_key", k, "in", map[string]Key{"k": k})
		encoded, err := json.Marshal(struct{ K Key }{k})
		if err != nil {
			t.Fatal(err)
		}
		shown := logged.String() + string(encoded) +
			fmt.Sprintf("%v %+v %#v %s %q %x %X %d", k, k, k, k, k, k, k, k) +
			fmt.Sprint(k, []Key{k}, struct{ K Key }{k}, &k) + k.String() +
			fmt.Errorf("key %v", k).Error()
		secret := string(k)[max(0, len(k.Prefix())):]
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret)} {
			if strings.Contains(shown, form) {
				t.Errorf("the secret is shown: %s", shown)
			}
		}
		if k.Prefix() != "" && !strings.Contains(shown, k.Prefix()+"…") {
			t.Errorf("the prefix is not shown: %s", shown)
		}
	}
}
