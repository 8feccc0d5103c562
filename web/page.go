package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

const index = "/index.html"

// Handler serves the page. "/" and every unknown path without a file extension answer the index, so that the page may
// have addresses of its own; an unknown path with an extension is a 404. Routes of the server itself (/api/, /auth/,
// /ws/ and so on) must be taken before.
//
// Everything is read, hashed and compressed here, once, so call it once. It panics only if the binary was built from
// files of a type that contentType does not know.
func Handler() http.Handler {
	p := page{}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		p[strings.TrimPrefix(name, "static")] = newAsset(name, body)
		return nil
	})
	if err != nil {
		panic("web: read embedded files: " + err.Error())
	}
	return p
}

// page is the embedded files by request path. It never changes once made.
type page map[string]asset

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	a, ok := p[r.URL.Path]
	if !ok {
		if path.Ext(r.URL.Path) != "" {
			refuse(w, http.StatusNotFound, "not found")
			return
		}
		a = p[index]
	}
	a.serve(w, r)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":` + strconv.Quote(message) + "}\n"))
}

// asset is one file, ready to send in both encodings.
type asset struct {
	contentType string
	plain       encoded
	gzip        encoded // empty where compressing does not make it smaller
}

// encoded is a body with its own strong ETag: two encodings of one file are different bytes.
type encoded struct {
	body []byte
	etag string
}

func newAsset(name string, body []byte) asset {
	a := asset{contentType: contentType(name), plain: newEncoded(body)}
	var small bytes.Buffer
	z, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // fails for an unknown level only
	_, _ = z.Write(body)                                      // a Buffer takes everything
	_ = z.Close()
	if small.Len() < len(body) {
		a.gzip = newEncoded(small.Bytes())
	}
	return a
}

func newEncoded(body []byte) encoded {
	sum := sha256.Sum256(body)
	return encoded{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serve answers with no-cache, which means "ask each time": the modules of a page must all be of one version, and a
// 304 costs a few bytes.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	e := a.plain
	if a.gzip.body != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		e = a.gzip
		h.Set("Content-Encoding", "gzip")
		// ServeContent leaves the length of an encoded body to its caller.
		h.Set("Content-Length", strconv.Itoa(len(e.body)))
	}
	h.Set("ETag", e.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(e.body))
}

// acceptsGzip reports whether the client named gzip (or *) and did not give it weight zero.
func acceptsGzip(headers []string) bool {
	accepted := false
	for entry := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		coding, weight, _ := strings.Cut(strings.ToLower(entry), ";")
		coding = strings.TrimSpace(coding)
		if coding != "gzip" && coding != "*" {
			continue
		}
		_, q, found := strings.Cut(weight, "q=")
		value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		wanted := !found || err == nil && value > 0
		if coding == "gzip" {
			return wanted
		}
		accepted = wanted
	}
	return accepted
}

// contentType is spelled out, because what a system's own table says differs from machine to machine, and with
// nosniff a wrong type is a broken page.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".md", "":
		return "text/plain; charset=utf-8"
	default:
		panic("web: no content type for " + name)
	}
}
