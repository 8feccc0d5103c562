package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// minPassword is the length of the shortest operator's password in use.
const minPassword = 16

// secret is what the file at path holds, at least so many bytes. Where there is
// no such file, it is made, with what generate gives.
func secret(path string, least int, generate func() string, log *slog.Logger) (string, error) {
	kept, err := readSecret(path, least, log)
	if errors.Is(err, fs.ErrNotExist) {
		made := generate()
		return made, writeSecret(path, made)
	}
	return kept, err
}

func readSecret(path string, least int, log *slog.Logger) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	kept := strings.TrimRight(string(data), "\r\n")
	if len(kept) < least {
		return "", fmt.Errorf("secret %s has %d bytes, not %d or more: put it back, or remove the file to have another made", path, len(kept), least)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("secret is open to others: chmod 600", "file", path, "mode", info.Mode().Perm().String())
	}
	return kept, nil
}

// randomSecret has 260 bits, in 52 letters and digits.
func randomSecret() string { return rand.Text() + rand.Text() }

// writeSecret makes the file at path, which is there completely or not at all,
// whatever happens meanwhile.
func writeSecret(path, secret string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write secret: %w", err)
		}
	}()
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // without effect once it is renamed
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
