package nbd_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// authority signs certificates for a test.
type authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(tb testing.TB) *authority {
	a := &authority{tb: tb, pool: x509.NewCertPool()}
	c := a.sign("authority")
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(name string) tls.Certificate {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: a.cert == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// startTLS goes on in TLS.
func (c *client) startTLS(config *tls.Config) error {
	c.tb.Helper()
	c.mustAck(optStartTLS, nil)
	conn := tls.Client(c.conn, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return nil
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, []nbd.Export{{Disk: newRaw(t, pattern(1<<20, 1)), Writable: true}}, &nbd.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.sign("server")}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert},
	})
	ours := &tls.Config{RootCAs: ca.pool, ServerName: "localhost", Certificates: []tls.Certificate{ca.sign("client")}}

	for _, opt := range []uint32{optGo, optInfo, optList, optStructured, optListMeta, 77} {
		if list := s.dial(3).option(opt, infoQuery("")); list[0].kind != repTLSReqd {
			t.Errorf("option %d without TLS: %#x", opt, list[0].kind)
		}
	}
	c := s.dial(3)
	c.write(option(optExportName, nil))
	c.mustEnd()
	if list := s.dial(3).option(optAbort, nil); list[0].kind != repAck {
		t.Errorf("abort: %#x", list[0].kind)
	}

	c = s.dial(3)
	if err := c.startTLS(ours); err != nil {
		t.Fatal(err)
	}
	if list := c.option(optStartTLS, nil); list[0].kind != repInvalid {
		t.Errorf("TLS in TLS: %#x", list[0].kind)
	}
	c.choose("")
	if b := c.read(0, 1<<20, 0); string(b) != string(pattern(1<<20, 1)) {
		t.Error("the bytes differ")
	}
	if e := c.do(cmdWrite, 0, 0, 1<<20, make([]byte, 1<<20)); e != 0 {
		t.Errorf("write: error %d", e)
	}

	// Who has no certificate learns so on the first use of the connection.
	c = s.dial(3)
	err := c.startTLS(&tls.Config{RootCAs: ca.pool, ServerName: "localhost"})
	if err == nil {
		_, err = c.conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a client without a certificate is let in")
	}
}

func TestPlainTextIsNotTakenForWhatCameInTLS(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, []nbd.Export{{Disk: newRaw(t, make([]byte, 4096))}}, &nbd.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ca.sign("server")}}})
	c := s.dial(3)
	c.write(append(option(optStartTLS, nil), option(optList, nil)...))
	c.mustEnd()
}

// TestLibnbdAndQemuSpeakTLSWithUs gives their clients certificates in the files
// that they look for.
func TestLibnbdAndQemuSpeakTLSWithUs(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	store := func(name, kind string, der []byte) {
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, name), block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := ca.sign("client")
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	store("ca-cert.pem", "CERTIFICATE", ca.cert.Raw)
	store("client-cert.pem", "CERTIFICATE", client.Leaf.Raw)
	store("client-key.pem", "PRIVATE KEY", key)
	s := serve(t, []nbd.Export{{Disk: newRaw(t, pattern(1<<20, 1)), Writable: true}}, &nbd.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.sign("server")}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert},
	})
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if got := oracle.Run(t, "nbdinfo", "--size", "nbds://localhost:"+port+"/?tls-certificates="+dir); got != "1048576\n" {
		t.Errorf("nbdinfo: %q", got)
	}
	got := filepath.Join(dir, "got")
	oracle.Run(t, "qemu-img", "convert", "--object", "tls-creds-x509,id=t,endpoint=client,dir="+dir, "--image-opts", "-O", "raw",
		"driver=nbd,server.type=inet,server.host=localhost,server.port="+port+",tls-creds=t", got)
	if b, err := os.ReadFile(got); err != nil || string(b) != string(pattern(1<<20, 1)) {
		t.Errorf("qemu-img has other bytes: %v", err)
	}
}
