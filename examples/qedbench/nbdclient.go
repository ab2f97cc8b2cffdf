package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// nbdClient is as much of an NBD client as it takes to read from a server
// and to cost next to nothing itself.
type nbdClient struct {
	conn net.Conn
	r    *bufio.Reader
	size int64
}

func dialNBD(socket string) (*nbdClient, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	c := &nbdClient{conn: conn, r: bufio.NewReaderSize(conn, 1<<20)}
	var hello [18]byte
	if _, err := io.ReadFull(c.r, hello[:]); err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint32(nil, 3)   // fixed newstyle, no zeroes
	b = append(b, "IHAVEOPT\x00\x00\x00\x01"...) // the default export
	b = binary.BigEndian.AppendUint32(b, 0)
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	var export [10]byte
	if _, err := io.ReadFull(c.r, export[:]); err != nil {
		return nil, err
	}
	c.size = int64(binary.BigEndian.Uint64(export[:]))
	return c, nil
}

// read makes count requests of length bytes, depth of them at a time.
func (c *nbdClient) read(count, length, depth int, next func() int64) error {
	sent := make(chan struct{}, depth)
	failed := make(chan error, 1)
	go func() {
		for range count {
			sent <- struct{}{}
			b := binary.BigEndian.AppendUint32(make([]byte, 0, 28), 0x25609513)
			b = append(b, make([]byte, 12)...)
			b = binary.BigEndian.AppendUint64(b, uint64(next()))
			b = binary.BigEndian.AppendUint32(b, uint32(length))
			if _, err := c.conn.Write(b); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for range count {
		var header [16]byte
		if _, err := io.ReadFull(c.r, header[:]); err != nil {
			return err
		}
		if e := binary.BigEndian.Uint32(header[4:]); e != 0 {
			return fmt.Errorf("nbd: error %d", e)
		}
		if _, err := c.r.Discard(length); err != nil {
			return err
		}
		<-sent
	}
	return <-failed
}

// readNBD reads from a server at a socket.
func readNBD(socket string, count, length, depth int, random bool) error {
	c, err := dialNBD(socket)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	blocks := c.size / int64(length)
	if blocks == 0 {
		return errors.New("nbd: the export is too small")
	}
	rng, at := rand.New(rand.NewPCG(1, 2)), int64(-1)
	return c.read(count, length, depth, func() int64 {
		if random {
			return rng.Int64N(blocks) * int64(length)
		}
		at = (at + 1) % blocks
		return at * int64(length)
	})
}

// waitNBD waits until a server answers, and returns how long that took.
func waitNBD(socket string, from time.Time) (time.Duration, error) {
	for time.Since(from) < 10*time.Second {
		c, err := dialNBD(socket)
		if err == nil {
			c.conn.Close()
			return time.Since(from), nil
		}
		time.Sleep(200 * time.Microsecond)
	}
	return 0, errors.New("nbd: the server does not answer")
}
