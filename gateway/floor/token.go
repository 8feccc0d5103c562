package floor

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
)

// token is what every key is exchanged for. It means nothing.
const token = `{"token":"floor","user_id":"floor","role":"user","expires_in":3600}`

// answerToken reads a request for a token to its end, and answers it.
func answerToken(from io.Reader, to io.Writer) error {
	r, err := http.ReadRequest(bufio.NewReader(from))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	status, body := http.StatusOK, token
	if r.URL.Path != "/auth/token" {
		status, body = http.StatusNotFound, `{"error":"not found"}`
	}
	_, err = fmt.Fprintf(to, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
	return err
}
