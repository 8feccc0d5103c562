package exchange

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// dialProxied is netDial, by way of the proxy for the exchange where there is
// one: HTTPS_PROXY for wss, HTTP_PROXY for ws, but for what NO_PROXY names.
func (c *Client) dialProxied(ctx context.Context, network, addr string) (net.Conn, error) {
	target, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	target.Scheme = strings.Replace(target.Scheme, "ws", "http", 1)
	proxy, err := c.proxy(&http.Request{URL: target})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if proxy == nil {
		return c.netDial(ctx, network, addr)
	}
	conn, err := c.dialProxy(ctx, network, proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	if err := tunnel(ctx, conn, proxy, addr); err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	return conn, nil
}

// dialProxy connects to the proxy itself.
func (c *Client) dialProxy(ctx context.Context, network string, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	switch {
	case proxy.Scheme != "http" && proxy.Scheme != "https":
		return nil, fmt.Errorf("scheme %q is not supported: http or https", proxy.Scheme)
	case port == "" && proxy.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	conn, err := c.netDial(ctx, network, net.JoinHostPort(proxy.Hostname(), port))
	if err != nil || proxy.Scheme == "http" {
		return conn, err
	}
	config := &tls.Config{}
	if c.tls != nil {
		config = c.tls.Clone()
	}
	config.ServerName = proxy.Hostname()
	return tls.Client(conn, config), nil
}

// tunnel asks the proxy for a way to addr (RFC 9110, section 9.3.6).
func tunnel(ctx context.Context, conn net.Conn, proxy *url.URL, addr string) error {
	// A connection whose context has ended is not used any further.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	header := http.Header{"User-Agent": {userAgent}}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
		header.Set("Proxy-Authorization", "Basic "+basic)
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: header}
	if err := request.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("it answers %s", response.Status) // its body goes with the connection
	case reader.Buffered() > 0:
		return errors.New("it speaks before it is spoken to")
	}
	return nil
}
