package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLog(t *testing.T) {
	var out bytes.Buffer
	log := newLog(logConfig{Format: "json", Level: "warn"}, &out)
	log.Info("too low")
	log.Warn("told", "err", errors.New("line\nbreak"), "addr", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, "in", 10*time.Millisecond, "n", 1)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("json: %s, %v", &out, err)
	}
	if _, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil {
		t.Error(err)
	}
	delete(line, "time")
	want := map[string]any{"level": "WARN", "msg": "told", "err": "line\nbreak", "addr": "127.0.0.1:80", "in": "10ms", "n": 1.0}
	if !reflect.DeepEqual(line, want) {
		t.Errorf("got %v, want %v", line, want)
	}

	out.Reset()
	newLog(logConfig{Format: "text", Level: "debug"}, &out).Debug("told", "n", 1)
	if !strings.HasSuffix(out.String(), " level=DEBUG msg=told n=1\n") {
		t.Errorf("text: %s", &out)
	}
}
