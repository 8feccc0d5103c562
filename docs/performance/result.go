package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// A result is what one run came to: a line of the file of results.
type result struct {
	Date       time.Time `json:"date"`
	Machine    string    `json:"machine"`
	Revision   string    `json:"revision"` // of the program; empty: not known
	Experiment string    `json:"experiment"`
	Server     string    `json:"server"`
	Load       load      `json:"load"`
	Round      int       `json:"round"`

	// Of the server's process.
	CPU      cpuTime `json:"cpu"`             // in the window
	ReadyRSS int64   `json:"ready_rss_bytes"` // before the first client came
	RSS      int64   `json:"rss_bytes"`       // at the window's end

	Bench bench.Report `json:"bench"` // what the clients say
}

// cpuTime is time that a process took of all processors.
type cpuTime struct {
	UserS   float64 `json:"user_s"`
	SystemS float64 `json:"system_s"`
}

func (c cpuTime) total() float64 { return c.UserS + c.SystemS }

// since is exact to a millisecond, which is more than a system tells.
func (c cpuTime) since(before cpuTime) cpuTime {
	exact := func(s float64) float64 { return math.Round(s*1000) / 1000 }
	return cpuTime{exact(c.UserS - before.UserS), exact(c.SystemS - before.SystemS)}
}

// readResults reads a file of results. One that is not there is empty.
func readResults(path string) ([]result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []result
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		list = append(list, r)
	}
	return list, lines.Err()
}

// writeResults writes the file anew, or leaves it as it was.
func writeResults(path string, list []result) error {
	var text bytes.Buffer
	for _, r := range list {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		text.Write(line)
		text.WriteByte('\n')
	}
	draft := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(draft, text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// replace has the results of an experiment stand in the place of its former ones.
func replace(list []result, experiment string, fresh []result) []result {
	list = slices.DeleteFunc(list, func(r result) bool { return r.Experiment == experiment })
	return append(list, fresh...)
}
