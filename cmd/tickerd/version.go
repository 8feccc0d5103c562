package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCommand prints which tickerd this is.
type versionCommand struct {
	JSON bool `name:"json" help:"Print a JSON object."`
}

// version is what is known of this binary.
type version struct {
	Version  string `json:"version"`            // of the module; (devel) when built from a working copy
	Revision string `json:"revision,omitempty"` // the commit
	Time     string `json:"time,omitempty"`     // the commit's
	Modified bool   `json:"modified"`           // whether the working copy had changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (c versionCommand) Run(p *program) error {
	v := readVersion()
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(v)
	}
	_, err := fmt.Fprintln(p.stdout, v)
	return err
}

// String is "tickerd v1.2.3 (0a1b2c3d4e5f, 2026-01-31T12:00:00Z) go1.26.0 linux/amd64".
func (v version) String() string {
	commit := ""
	if v.Revision != "" {
		commit = fmt.Sprintf(" (%.12s", v.Revision)
		if v.Modified {
			commit += " with changes"
		}
		commit += ", " + v.Time + ")"
	}
	return fmt.Sprintf("tickerd %s%s %s %s", v.Version, commit, v.Go, v.Platform)
}

func readVersion() version {
	v := version{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
