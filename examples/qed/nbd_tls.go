package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tlsFlags are --object and --tls-creds, as qemu-nbd has them.
type tlsFlags struct {
	object, creds string

	dir    string
	verify bool // the client's certificate
}

// check takes the description of the certificates apart.
func (t *tlsFlags) check() error {
	if t.object == "" && t.creds == "" {
		return nil
	}
	if t.object == "" || t.creds == "" {
		return errors.New("--object and --tls-creds go together")
	}
	kind, rest, _ := strings.Cut(t.object, ",")
	if kind != "tls-creds-x509" {
		return fmt.Errorf("--object %s: only tls-creds-x509 is known", kind)
	}
	t.verify = true
	id := ""
	for field := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "id":
			id = value
		case "dir":
			t.dir = value
		case "endpoint":
			if value != "server" {
				return fmt.Errorf("--object: endpoint=%s: this is the server", value)
			}
		case "verify-peer":
			if t.verify = value == "on" || value == "yes" || value == "true"; !t.verify && value != "off" && value != "no" && value != "false" {
				return fmt.Errorf("--object: verify-peer=%s: neither on nor off", value)
			}
		default:
			return fmt.Errorf("--object: %q is not known", key)
		}
	}
	switch {
	case id != t.creds:
		return fmt.Errorf("--tls-creds %s: no --object has this id", t.creds)
	case t.dir == "":
		return errors.New("--object: dir= is missing")
	}
	return nil
}

// config is nil where there is to be no TLS.
func (t *tlsFlags) config() (*tls.Config, error) {
	if t.dir == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(t.dir, "server-cert.pem"), filepath.Join(t.dir, "server-key.pem"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.verify {
		name := filepath.Join(t.dir, "ca-cert.pem")
		ca, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s: holds no certificate", name)
		}
	}
	return config, nil
}
