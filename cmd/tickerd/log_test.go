package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var out bytes.Buffer
	log := newLog(logConfig{Format: "json", Level: "warn"}, &out)
	log.Info("too low")
	log.Warn("told", "err", "line\nbreak")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 || line["msg"] != "told" {
		t.Errorf("json: %s, %v", &out, err)
	}

	out.Reset()
	newLog(logConfig{Format: "text", Level: "debug"}, &out).Debug("told", "n", 1)
	if !strings.HasSuffix(out.String(), " level=DEBUG msg=told n=1\n") {
		t.Errorf("text: %s", &out)
	}
}
