package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTranscripts plays the command lines of testdata/*.txt and compares what they
// print. "2> " stands before what goes to standard error, and the exit status, if
// it is not 0, at the end: "[1]". With UPDATE=1 the files are written anew.
func TestTranscripts(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for line := range strings.Lines(string(data)) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					got.WriteString(line)
					play(t, &got, strings.Fields(command))
				}
			}
			if os.Getenv("UPDATE") != "" {
				write(t, path, got.String())
			} else if got.String() != string(data) {
				t.Errorf("got\n%s\nwant\n%s", &got, data)
			}
		})
	}
}

// play runs "VARIABLE=value tickerd args" and writes what comes of it.
func play(t *testing.T, w io.Writer, words []string) {
	t.Helper()
	var environ []string
	for len(words) > 0 && strings.Contains(words[0], "=") {
		environ, words = append(environ, words[0]), words[1:]
	}
	if len(words) == 0 || words[0] != "tickerd" {
		t.Fatalf("not tickerd: %q", words)
	}
	r := call(t.Context(), environ, "", words[1:]...)
	fmt.Fprint(w, r.stdout)
	for line := range strings.Lines(r.stderr) {
		fmt.Fprintf(w, "2> %s", line)
	}
	if r.status != 0 {
		fmt.Fprintf(w, "[%d]\n", r.status)
	}
}

func TestVersion(t *testing.T) {
	r := call(t.Context(), nil, "", "version")
	shape := regexp.MustCompile(`^tickerd \S+( \([0-9a-f]{12}( with changes)?, \S+\))? go\S+ \w+/\w+\n$`)
	if r.status != 0 || r.stderr != "" || !shape.MatchString(r.stdout) {
		t.Errorf("got %+v", r)
	}
	r = call(t.Context(), nil, "", "version", "--json")
	var v version
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Version == "" || !strings.HasPrefix(v.Go, "go") || v.Platform == "" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestVersionText(t *testing.T) {
	for want, v := range map[string]version{
		"tickerd v1.2.3 (0a1b2c3d4e5f, 2026-01-31T12:00:00Z) go1.26.0 linux/amd64": {
			Version: "v1.2.3", Revision: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", Time: "2026-01-31T12:00:00Z", Go: "go1.26.0", Platform: "linux/amd64",
		},
		"tickerd (devel) (0a1b2c3d4e5f with changes, 2026-01-31T12:00:00Z) go1.26.0 linux/amd64": {
			Version: "(devel)", Revision: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", Time: "2026-01-31T12:00:00Z", Modified: true, Go: "go1.26.0", Platform: "linux/amd64",
		},
		"tickerd (devel) go1.26.0 linux/amd64": {Version: "(devel)", Go: "go1.26.0", Platform: "linux/amd64"},
	} {
		if got := v.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatIsNotTaken(t *testing.T) {
	for _, args := range [][]string{{"config"}, {"version"}, {"version", "--json"}} {
		var stderr strings.Builder
		p := program{stdin: strings.NewReader(""), stdout: fullDisk{}, stderr: &stderr}
		if status := p.run(context.Background(), args); status != statusFailed || stderr.String() != "tickerd: no space left on device\n" {
			t.Errorf("%v: got %d, %q", args, status, &stderr)
		}
	}
}
