package backend

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"x", 0}, {"-1", 0}, {"0", 0}, {"3", 3 * time.Second},
		{"99999999999", maxRetryWait},
		{"Fri, 02 Jan 2026 03:04:09 GMT", 4 * time.Second},
		{"Fri, 02 Jan 2026 03:04:01 GMT", 0},
	} {
		if got := retryAfter(tt.value, now); got != tt.want {
			t.Errorf("retryAfter(%q) = %v, want %v", tt.value, got, tt.want)
		}
	}
}

func TestPublicAddr(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "100.128.0.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "::ffff:127.0.0.1": false,
		"64:ff9b::a00:1": false, "2002:a00:1::": false, "2001::1": false, "ff02::1": false, "::7f00:1": false, "192.0.0.192": false,
	} {
		if got := publicAddr(netip.MustParseAddr(addr)); got != want {
			t.Errorf("publicAddr(%s) = %v, want %v", addr, got, want)
		}
	}
}

// A public name may resolve to a private address: what counts is the address
// when the connection is made.
func TestAwayTransportDialsNoPrivateAddress(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	away := NewHTTPClient().Transport.(*originTransport).away
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // as any name would
	resp, err := (&http.Client{Transport: away}).Get(url)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, ErrRedirect) || asked {
		t.Errorf("Get: %v, want ErrRedirect; connected: %v", err, asked)
	}
}
