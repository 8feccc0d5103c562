package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// A head is the part of a request before its body, read strictly: what is taken
// here means the same to every proxy in front of us. Its slices point into the
// bytes that were parsed.
type head struct {
	method string
	target string // as sent: "/ws/ticker?symbols=BTC-USD"
	proto  string // "HTTP/1.1"
	fields []field
}

type field struct{ name, value string }

// parseHead reads a head that ends with an empty line. An error names what is
// malformed, in words for the client.
func parseHead(b []byte) (head, error) {
	text := string(b) // one allocation, which all the rest points into
	line, text, ok := strings.Cut(text, "\r\n")
	if !ok {
		return head{}, errLineEnd
	}
	h, err := parseRequestLine(line)
	if err != nil {
		return head{}, err
	}
	h.fields = make([]field, 0, 16)
	for {
		line, text, ok = strings.Cut(text, "\r\n")
		if !ok {
			return head{}, errLineEnd
		}
		if line == "" {
			return h, h.checkHost()
		}
		f, err := parseField(line)
		if err != nil {
			return head{}, err
		}
		h.fields = append(h.fields, f)
	}
}

const (
	errLineEnd     = Error("malformed request: line without CR LF")
	errRequestLine = Error("malformed request line")
	errNoHost      = Error("malformed request: no Host")
	errTwoHosts    = Error("malformed request: more than one Host")
)

func parseRequestLine(line string) (head, error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || !isTarget(parts[1]) || !isProto(parts[2]) {
		return head{}, errRequestLine
	}
	return head{method: parts[0], target: parts[1], proto: parts[2]}, nil
}

func parseField(line string) (field, error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken(name) {
		return field{}, fmt.Errorf("malformed request: header line %.40q", line)
	}
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return field{}, fmt.Errorf("malformed request: control character in header %.40q", name)
		}
	}
	return field{name, value}, nil
}

func (h head) checkHost() error {
	hosts := 0
	for _, f := range h.fields {
		if strings.EqualFold(f.name, "Host") {
			hosts++
		}
	}
	switch {
	case hosts > 1:
		return errTwoHosts
	case h.get("Host") == "" && h.proto != "HTTP/1.0":
		return errNoHost
	}
	return nil
}

// get is the first value of a header.
func (h head) get(name string) string {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// list is all values of a header that is a list, joined.
func (h head) list(name string) string {
	var joined string
	for _, f := range h.fields {
		switch {
		case !strings.EqualFold(f.name, name):
		case joined == "":
			joined = f.value
		default:
			joined += ", " + f.value
		}
	}
	return joined
}

// headOf is the head of a request that net/http has read.
func headOf(r *http.Request) head {
	h := head{method: r.Method, target: r.RequestURI, proto: r.Proto}
	h.fields = append(h.fields, field{"Host", r.Host})
	for name, values := range r.Header {
		for _, v := range values {
			h.fields = append(h.fields, field{name, v})
		}
	}
	return h
}

// hasToken reports whether a comma-separated list holds a token, in any case.
func hasToken(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

func isProto(s string) bool { return s == "HTTP/1.1" || s == "HTTP/1.0" }

// targetIs reports whether the request line at b's beginning asks for a path
// under prefix; known is false while the line's end has not come.
func targetIs(b []byte, prefix string) (is, known bool) {
	line, _, known := bytes.Cut(b, []byte("\n"))
	_, target, ok := bytes.Cut(line, []byte(" "))
	if ok && len(target) >= len(prefix) {
		return bytes.HasPrefix(target, []byte(prefix)), true
	}
	return false, known
}
