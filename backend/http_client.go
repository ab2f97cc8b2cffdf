package backend

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/qedfs/qedfs/backend/errs"
)

// ErrRedirect is returned when a server redirects to where a client must not
// follow: from https to http, to another scheme, or to another host at a
// private address.
var ErrRedirect = errs.New("backend", "redirect refused", nil)

// NewHTTPClient returns a client as [OpenHTTP] makes one for itself. Several
// resources that are opened with one client share its connections.
//
// A server that redirects to another host is followed to public addresses
// alone: the address is checked when the connection is made, whatever a name
// resolved to before. Where a proxy is configured, it makes the connections,
// and only addresses that are written in the URL are checked.
func NewHTTPClient() *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 16 // ranges are asked for side by side
	away := base.Clone()
	away.DialContext = (&net.Dialer{Timeout: 30 * time.Second, Control: refusePrivate}).DialContext
	return &http.Client{Transport: &originTransport{base: base, away: away}}
}

// An origin is where the URL that a caller gave leads, and what is sent there
// and to nobody else.
type origin struct {
	url    *url.URL // without user name and password
	header http.Header
}

// newOrigin takes user name and password out of the URL.
func newOrigin(u *url.URL, header http.Header) *origin {
	bare := *u
	bare.User = nil
	o := &origin{url: &bare, header: http.Header{}}
	for key, values := range header {
		o.header[http.CanonicalHeaderKey(key)] = values
	}
	if user := u.User; user != nil && o.header.Get("Authorization") == "" {
		password, _ := user.Password()
		basic := http.Request{Header: o.header}
		basic.SetBasicAuth(user.Username(), password)
	}
	return o
}

func (o *origin) is(u *url.URL) bool { return u.Scheme == o.url.Scheme && u.Host == o.url.Host }

type originKey struct{}

func withOrigin(ctx context.Context, o *origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// originTransport sends what is the origin's to the origin alone, and follows
// redirects to other hosts with care.
type originTransport struct {
	base http.RoundTripper
	away http.RoundTripper // for other hosts
}

// guarded returns client with an originTransport. Where the client has a
// transport of the caller's, that decides which addresses it connects to.
func guarded(client *http.Client) *http.Client {
	if client == nil {
		return NewHTTPClient()
	}
	if _, ok := client.Transport.(*originTransport); ok {
		return client
	}
	c := *client
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	c.Transport = &originTransport{base: base, away: base}
	return &c
}

func (t *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	o, _ := req.Context().Value(originKey{}).(*origin)
	if o == nil {
		return t.base.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	req.Header.Del("Referer") // its query may hold a signature
	if !o.is(req.URL) {
		if err := o.checkRedirect(req.URL); err != nil {
			return nil, err
		}
		if proxied(t.away, req) {
			return t.base.RoundTrip(req)
		}
		return t.away.RoundTrip(req)
	}
	if o.unbroken(req) {
		maps.Copy(req.Header, o.header)
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
	}
	return t.base.RoundTrip(req)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *originTransport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.base, t.away} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// unbroken reports whether a request came to the origin by way of the origin
// alone: another host must not choose what is asked with the credentials.
func (o *origin) unbroken(req *http.Request) bool {
	for resp := req.Response; resp != nil; resp = resp.Request.Response {
		if !o.is(resp.Request.URL) {
			return false
		}
	}
	return true
}

// checkRedirect says whether another URL may be followed to, as far as the
// URL itself tells.
func (o *origin) checkRedirect(u *url.URL) error {
	switch {
	case u.Scheme == "http" && o.url.Scheme == "https":
		return fmt.Errorf("%w: from https to http", ErrRedirect)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: to scheme %.20q", ErrRedirect, u.Scheme)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !publicAddr(addr) {
		return fmt.Errorf("%w: to the private address %v", ErrRedirect, addr)
	}
	if host := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return fmt.Errorf("%w: to %s", ErrRedirect, host)
	}
	return nil
}

func proxied(rt http.RoundTripper, req *http.Request) bool {
	t, ok := rt.(*http.Transport)
	if !ok || t.Proxy == nil {
		return false
	}
	proxy, err := t.Proxy(req)
	return err == nil && proxy != nil
}

// refusePrivate is a [net.Dialer]'s Control: it sees the address that a name
// was resolved to, before anything is sent.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: to %s", ErrRedirect, address)
	}
	if !publicAddr(ap.Addr()) {
		return fmt.Errorf("%w: to the private address %v", ErrRedirect, ap.Addr())
	}
	return nil
}

// specialAddrs are not for the public although they look like it: RFC 6890
// and the IANA registries that go with it. Those of IPv6 that hold an IPv4
// address (NAT64, 6to4, Teredo) could lead to a private one.
var specialAddrs = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("fec0::/10"),
}

func publicAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, p := range specialAddrs {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
