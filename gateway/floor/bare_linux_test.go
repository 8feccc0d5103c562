package floor

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"tickerd/gateway/frame"
)

// What a full socket does not take is missing, but no frame is sent in part.
func TestFullSocket(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	var b bare
	b.add(conn)
	defer b.watching.Wait()
	defer conn.Close()
	s := b.came[0]

	big := frame.AppendText(nil, bytes.Repeat([]byte("x"), 1000))
	for partial := false; !partial; partial = len(s.rest) > 0 {
		s.send(big)
	}
	full := len(s.rest)
	s.send([]byte("missing"))
	if len(s.rest) != full {
		t.Fatalf("%d bytes are left, then %d", full, len(s.rest))
	}
	read := make(chan []byte)
	go func() {
		got, _ := io.ReadAll(client) // until its end is closed
		read <- got
	}()
	for len(s.rest) > 0 { // the client reads
		s.send(nil)
	}
	s.send([]byte("last"))
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got := <-read
	whole, ok := bytes.CutSuffix(got, []byte("last"))
	if !ok || len(whole)%len(big) != 0 || !bytes.Equal(whole, bytes.Repeat(big, len(whole)/len(big))) {
		t.Errorf("the client got %d bytes that are not whole frames of %d and the last", len(got), len(big))
	}
}
