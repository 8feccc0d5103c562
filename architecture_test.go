// Package tickerd_test holds the module to its layout: who may import whom, and
// which part each library is confined to.
package tickerd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "tickerd"

// parts are the parts of the program, each with those that it may import. What is
// inside a part is its own affair: a package below it counts as the part itself.
var parts = map[string][]string{
	"cmd/tickerd": {"auth", "bus", "gateway", "handler", "pricefeed", "web", "ticker"},
	"gateway":     {"auth", "bus", "ticker"},
	"handler":     {"auth", "bus", "ticker"},
	"pricefeed":   {"bus", "ticker"},
	"auth":        {"bus", "ticker"},
	"bus":         {"ticker"},
	"web":         {},
	"ticker":      {},

	"docs/performance": {"cmd/tickerd", "gateway"},
}

// libraries are all that the program is built on, each with the parts that may
// import it. A new one is a decision, and is written down here.
var libraries = map[string][]string{
	"github.com/nats-io": {"bus"},
	"golang.org/x":       {"cmd/tickerd", "auth", "bus", "gateway", "handler", "pricefeed", "docs/performance"},

	"gorm.io":                       {"auth"},
	"github.com/glebarez":           {"auth"},
	"github.com/go-gormigrate":      {"auth"},
	"github.com/golang-jwt/jwt":     {"auth"},
	"github.com/jackc/pgx":          {"auth"},
	"github.com/gofrs/flock":        {"cmd/tickerd"},
	"github.com/alecthomas/kong":    {"cmd/tickerd"},
	"github.com/HdrHistogram":       {"cmd/tickerd"},
	"github.com/pelletier":          {"cmd/tickerd"},
	"github.com/rs/cors":            {"gateway"},
	"github.com/gobwas/ws":          {"cmd/tickerd", "gateway", "pricefeed"},
	"github.com/klauspost/compress": {"gateway", "pricefeed"},
	"github.com/prometheus":         {"cmd/tickerd", "gateway", "handler"},
	"gonum.org/v1/plot":             {"docs/performance"},
}

// testLibraries are those of the tests, which may import the others too: they look
// at a part from outside.
var testLibraries = []string{
	"github.com/chromedp",
	"github.com/getkin/kin-openapi",
	"github.com/gobwas/httphead",
	"github.com/santhosh-tekuri/jsonschema",
	"go.uber.org/goleak",
	"go.yaml.in/yaml",
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for file, parsed := range sources(t) {
		part := partOf(path.Dir(file))
		isTest := strings.HasSuffix(file, "_test.go") || isForTests(path.Dir(file))
		if part == "" && !isTest {
			t.Errorf("%s: belongs to no part of the program", file)
			continue
		}
		seen[part] = true
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if reason := refuse(part, imported, isTest); reason != "" {
				t.Errorf("%s: imports %s: %s", file, imported, reason)
			}
		}
	}
	for part := range parts {
		if !seen[part] {
			t.Errorf("%s: has no file, but stands in the table", part)
		}
	}
}

// refuse says why part may not import a package, nothing where it may.
func refuse(part, imported string, isTest bool) string {
	inner, ours := strings.CutPrefix(imported, module+"/")
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case ours:
		return refuseOwn(part, inner, isTest)
	case !strings.Contains(first, "."): // the standard library
		return ""
	case isTest && slices.ContainsFunc(testLibraries, covers(imported)):
		return ""
	}
	for library, users := range libraries {
		switch {
		case !covers(imported)(library):
		case isTest || slices.Contains(users, part):
			return ""
		default:
			return "only " + strings.Join(users, ", ") + " may"
		}
	}
	return "stands in no table of architecture_test.go"
}

// refuseOwn is refuse for a package of this module. A test may put the real other
// parts beside the one that it is of.
func refuseOwn(part, inner string, isTest bool) string {
	target := partOf(inner)
	switch {
	case isTest && (target != "" || isForTests(inner)):
		return ""
	case target == "":
		return "is not a part of the program"
	case isForTests(inner):
		return "is for tests"
	case target != part && !slices.Contains(parts[part], target):
		return part + " may import " + strings.Join(append(slices.Clone(parts[part]), "the standard library"), ", ")
	}
	return ""
}

// isForTests reports whether a package is there for tests only.
func isForTests(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// partOf is the part that a directory of the module belongs to, empty if none.
func partOf(dir string) string {
	for part := range parts {
		if covers(dir)(part) {
			return part
		}
	}
	return ""
}

// covers reports whether a prefix is the path itself or one of the directories
// above it.
func covers(p string) func(prefix string) bool {
	return func(prefix string) bool { return strings.HasPrefix(p+"/", prefix+"/") }
}

// A finding of a linter is mended or its rule is dropped for all, in .golangci.yml.
func TestNothingIsExcused(t *testing.T) {
	for file, parsed := range sources(t) {
		for _, group := range parsed.Comments {
			for _, comment := range group.List {
				if strings.HasPrefix(strings.TrimLeft(comment.Text, "/* "), "nolint") {
					t.Errorf("%s: %s", file, comment.Text)
				}
			}
		}
	}
}

// sources are the module's Go files, for whatever system, parsed.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = parsed
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
