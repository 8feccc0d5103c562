package web

import (
	"compress/gzip"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// get asks a fresh Handler the way net/http does, over a socket.
func get(t *testing.T, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(Handler())
	defer server.Close()
	r, err := http.NewRequest(method, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func readStatic(t *testing.T, name string) string {
	t.Helper()
	body, err := static.ReadFile("static" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eachFile calls f with the request path of every embedded file.
func eachFile(t *testing.T, f func(name string)) {
	t.Helper()
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			f(strings.TrimPrefix(name, "static"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPaths(t *testing.T) {
	page := readStatic(t, index)
	for _, target := range []string{"/", "/index.html", "/BTC-USD", "/a/b/c", "/a.b/", "/?q=1", "/%2e%2e/x"} {
		resp, body := get(t, "GET", target)
		if resp.StatusCode != 200 || body != page || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("GET %s: %s, %s, %d bytes; want the index", target, resp.Status, resp.Header.Get("Content-Type"), len(body))
		}
	}
	for _, target := range []string{"/missing.js", "/favicon.ico", "/static/app.js", "/a/app.js", "/page.go", "/../page.go"} {
		resp, body := get(t, "GET", target)
		if resp.StatusCode != 404 || strings.TrimSpace(body) != `{"error":"not found"}` {
			t.Errorf("GET %s: %s %q; want 404", target, resp.Status, body)
		}
	}
}

func TestFilesAreServedAsTheyAre(t *testing.T) {
	types := map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".svg":  "image/svg+xml",
		".md":   "text/plain; charset=utf-8",
		"":      "text/plain; charset=utf-8",
	}
	eachFile(t, func(name string) {
		resp, body := get(t, "GET", name)
		if resp.StatusCode != 200 || body != readStatic(t, name) || resp.Header.Get("Content-Type") != types[path.Ext(name)] {
			t.Errorf("GET %s: %s, %s, %d bytes", name, resp.Status, resp.Header.Get("Content-Type"), len(body))
		}
	})
}

func TestMethods(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		resp, body := get(t, method, "/")
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || strings.TrimSpace(body) != `{"error":"method not allowed"}` {
			t.Errorf("%s: %s, Allow %q, %q", method, resp.Status, resp.Header.Get("Allow"), body)
		}
	}
	for _, encoding := range []string{"identity", "gzip"} {
		full, _ := get(t, "GET", "/app.js", "Accept-Encoding", encoding)
		head, body := get(t, "HEAD", "/app.js", "Accept-Encoding", encoding)
		if head.StatusCode != 200 || body != "" || head.ContentLength != full.ContentLength || head.ContentLength <= 0 {
			t.Errorf("HEAD %s: %s, length %d (GET %d), body %q", encoding, head.Status, head.ContentLength, full.ContentLength, body)
		}
	}
}

func TestRevalidation(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		for _, target := range []string{"/", "/app.js"} {
			resp, _ := get(t, "GET", target, "Accept-Encoding", encoding)
			etag := resp.Header.Get("ETag")
			if !regexp.MustCompile(`^"[\w-]+"$`).MatchString(etag) {
				t.Errorf("%s: ETag %q is not a strong one", target, etag)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
				t.Errorf("%s: Cache-Control %q", target, got)
			}
			for _, known := range []string{etag, `"other", ` + etag, "W/" + etag, "*"} {
				again, body := get(t, "GET", target, "Accept-Encoding", encoding, "If-None-Match", known)
				if again.StatusCode != 304 || body != "" || again.Header.Get("ETag") != etag {
					t.Errorf("%s with If-None-Match %s: %s", target, known, again.Status)
				}
			}
			changed, _ := get(t, "GET", target, "Accept-Encoding", encoding, "If-None-Match", `"other"`)
			if changed.StatusCode != 200 {
				t.Errorf("%s with another ETag: %s", target, changed.Status)
			}
		}
	}
}

func TestCompression(t *testing.T) {
	plain, want := get(t, "GET", "/app.js")
	resp, body := get(t, "GET", "/app.js", "Accept-Encoding", "br, gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || resp.ContentLength != int64(len(body)) || len(body) >= len(want) {
		t.Errorf("encoding %q, length %d, %d bytes of %d", resp.Header.Get("Content-Encoding"), resp.ContentLength, len(body), len(want))
	}
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != want {
		t.Errorf("unpacked to %d bytes, want %d: %v", len(got), len(want), err)
	}
	if plain.Header.Get("ETag") == resp.Header.Get("ETag") {
		t.Error("both encodings have one ETag")
	}
	for _, r := range []*http.Response{plain, resp} {
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary %q", r.Header.Get("Vary"))
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br": false, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"*": true, "*;q=0": false, "identity, *": true, "gzip;q=0, *": false, "*;q=0, gzip": true, "xgzip": false, "gzip;q=x": false,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	for _, target := range []string{"/", "/app.js", "/missing.js"} {
		resp, _ := get(t, "GET", target)
		for header, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", target, header, got)
			}
		}
		if resp.Header.Get("Permissions-Policy") == "" {
			t.Errorf("%s: no Permissions-Policy", target)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy+";", directive+";") {
				t.Errorf("%s: policy %q lacks %q", target, policy, directive)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q is not strict", target, policy)
		}
	}
}

// The policy would stop what is inline, and what is not embedded would be missing.
func TestIndexIsSelfContained(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(readStatic(t, index)))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	ids := map[string]bool{}
	inScript := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			inScript = e.Name.Local == "script"
			checkElement(t, e, ids)
		case xml.EndElement:
			inScript = false
		case xml.CharData:
			if inScript {
				t.Errorf("inline script %q", e)
			}
		}
	}
	for _, id := range []string{"key-input", "sign-in", "connection-state"} {
		if !ids[id] {
			t.Errorf("no #%s, which browser tests need", id)
		}
	}
}

func checkElement(t *testing.T, e xml.StartElement, ids map[string]bool) {
	t.Helper()
	if e.Name.Local == "style" {
		t.Error("inline <style>")
	}
	for _, a := range e.Attr {
		name, value := strings.ToLower(a.Name.Local), a.Value
		switch {
		case name == "style" || strings.HasPrefix(name, "on"):
			t.Errorf("<%s %s> is inline", e.Name.Local, name)
		case name == "id" && ids[value]:
			t.Errorf("two elements are #%s", value)
		case name == "id":
			ids[value] = true
		case name == "src" || name == "href":
			if value != "/" {
				mustBeEmbedded(t, index, value)
			}
		}
	}
}

var (
	jsImport  = regexp.MustCompile(`(?m)(?:^import [^"]*|^export [^"]* from |import\()"([^"]+)"`)
	cssImport = regexp.MustCompile(`(?:url\(\s*["']?|@import\s+["'])([^"')]+)`)
	elementID = regexp.MustCompile(`(?:\bpart\(|[^#]\bwrite\(|getElementById\()"([\w-]+)"`)
)

func TestEverythingReferredToIsEmbedded(t *testing.T) {
	page := readStatic(t, index)
	eachFile(t, func(name string) {
		body := readStatic(t, name)
		if strings.HasPrefix(name, "/vendor/") {
			return
		}
		switch path.Ext(name) {
		case ".js":
			for _, m := range jsImport.FindAllStringSubmatch(body, -1) {
				mustBeEmbedded(t, name, path.Join(path.Dir(name), m[1]))
			}
			for _, m := range elementID.FindAllStringSubmatch(body, -1) {
				if !strings.Contains(page, ` id=`+strconv.Quote(m[1])) {
					t.Errorf("%s uses #%s, which the index lacks", name, m[1])
				}
			}
			if name != "/app.js" && !strings.Contains(page, `<link rel="modulepreload" href="`+name+`">`) {
				t.Errorf("%s is not preloaded by the index", name)
			}
		case ".css":
			for _, m := range cssImport.FindAllStringSubmatch(body, -1) {
				mustBeEmbedded(t, name, path.Join(path.Dir(name), m[1]))
			}
		}
	})
}

func mustBeEmbedded(t *testing.T, from, target string) {
	t.Helper()
	if info, err := fs.Stat(static, "static"+target); err != nil || info.IsDir() {
		t.Errorf("%s refers to %s, which is not embedded", from, target)
	}
}

func TestModules(t *testing.T) {
	version, err := exec.Command("node", "--version").Output()
	if major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), "."); err != nil || len(major) < 2 || major < "20" {
		t.Skip("no node 20 or newer to run test/*.test.js")
	}
	if out, err := exec.Command("node", "--test").CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
