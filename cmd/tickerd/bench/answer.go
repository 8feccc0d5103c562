package bench

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds an answer to a handshake.
const maxAnswer = 64 << 10

// An answer is what a server says to a handshake.
type answer struct {
	size    int // in bytes, of one that accepts; what follows is frames
	deflate bool
}

// parseAnswer reads the answer to the handshake with a key; complete is false if b
// ends within it and is not its end. The error is a [failed].
func parseAnswer(b []byte, key string, end bool) (a answer, complete bool, err error) {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case head < 0 && end:
		return a, true, &failed{hungUp}
	case head < 0 && len(b) > maxAnswer:
		return a, true, &failed{notHTTP}
	case head < 0:
		return a, false, nil
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(b), 512), nil)
	if err != nil {
		return a, true, &failed{notHTTP}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if errors.Is(err, io.ErrUnexpectedEOF) && !end && len(b) <= maxAnswer {
			return a, false, nil
		}
		return a, true, &failed{refusal(resp, body)}
	}
	if resp.Header.Get("Sec-WebSocket-Accept") != acceptOf(key) {
		return a, true, &failed{badAccept}
	}
	return answer{
		size:    head + len("\r\n\r\n"),
		deflate: strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate"),
	}, true, nil
}

// refusal names an answer that is none of acceptance.
func refusal(resp *http.Response, body []byte) Failure {
	var said struct{ Error string }
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		said.Error = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	return Failure{resp.StatusCode, said.Error}
}

// acceptOf is what a server makes of a key, to show that it has understood.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
