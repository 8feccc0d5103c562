package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.key")
	var logged bytes.Buffer
	log := newLog(logDefaults(), &logged)

	made, err := secret(path, 32, randomSecret, log)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) < 32 {
		t.Errorf("made %q, which is too short", made)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want a file of mode 0600", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v, want one file", files, err)
	}

	kept, err := secret(path, 32, func() string { panic("made twice") }, log)
	if err != nil || kept != made {
		t.Errorf("got %q, %v, want %q", kept, err, made)
	}
	if logged.Len() > 0 {
		t.Errorf("logged %s", &logged)
	}

	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if kept, err := secret(path, 32, randomSecret, log); err != nil || kept != made {
		t.Errorf("got %q, %v, want %q", kept, err, made)
	}
	if !strings.Contains(logged.String(), "level=WARN") || !strings.Contains(logged.String(), path) || strings.Contains(logged.String(), made) {
		t.Errorf("logged %s", &logged)
	}
}

func TestSecretThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	for content, want := range map[string]string{
		"":              "secret %s has 0 bytes, not 8 or more: put it back, or remove the file to have another made",
		"\n":            "secret %s has 0 bytes, not 8 or more: put it back, or remove the file to have another made",
		"1234567\r\n\n": "secret %s has 7 bytes, not 8 or more: put it back, or remove the file to have another made",
	} {
		path := filepath.Join(dir, "short")
		write(t, path, content)
		_, err := secret(path, 8, randomSecret, log)
		if want := fmt.Sprintf(want, path); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
	if _, err := secret(dir, 8, randomSecret, log); err == nil || !strings.HasPrefix(err.Error(), "read secret: ") {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := secret(filepath.Join(dir, "none", "x"), 8, randomSecret, log); err == nil || !strings.HasPrefix(err.Error(), "write secret: ") {
		t.Errorf("no directory: got %v", err)
	}
}

func TestSecretKeepsItsBlanks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	write(t, path, " with blanks \n")
	got, err := secret(path, 1, randomSecret, slog.New(slog.DiscardHandler))
	if want := " with blanks "; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
