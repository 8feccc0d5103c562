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
			return h, h.check()
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
	errHost        = Error("malformed request: malformed Host")
	errLength      = Error("malformed request: malformed Content-Length")
	errEncoding    = Error("malformed request: unknown Transfer-Encoding")
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

// check reports what is wrong with the fields on which it depends for whom a
// request is, and where it ends.
func (h head) check() error {
	lengths, encodings := h.all("Content-Length"), h.all("Transfer-Encoding")
	switch hosts := h.all("Host"); {
	case len(hosts) > 1:
		return errTwoHosts
	case h.get("Host") == "" && h.proto != "HTTP/1.0":
		return errNoHost
	case !isHost(h.get("Host")):
		return errHost
	case len(lengths) > 1, len(lengths) == 1 && !isLength(lengths[0]), len(lengths)+len(encodings) > 1:
		return errLength
	case len(encodings) == 1 && (!strings.EqualFold(encodings[0], "chunked") || h.proto == "HTTP/1.0"):
		return errEncoding
	}
	return nil
}

// hasBody reports whether something belongs to the request behind its head.
func (h head) hasBody() bool {
	return len(h.all("Transfer-Encoding")) > 0 || strings.Trim(h.get("Content-Length"), "0") != ""
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

// all is the values of a header, line by line.
func (h head) all(name string) []string {
	var values []string
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

// list is all values of a header that is a list, joined.
func (h head) list(name string) string { return strings.Join(h.all(name), ", ") }

// headOf is the head of a request that net/http has read.
func headOf(r *http.Request) head {
	h := head{method: r.Method, target: r.RequestURI, proto: r.Proto}
	h.fields = append(h.fields, field{"Host", r.Host})
	for _, encoding := range r.TransferEncoding {
		h.fields = append(h.fields, field{"Transfer-Encoding", encoding})
	}
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

func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && strings.IndexByte("!$%&'()*+,-.:;=[]_~", c) < 0 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// isLength reports whether s is a number that surely fits 63 bits.
func isLength(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
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
