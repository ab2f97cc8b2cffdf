package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxOptions is how many options a client may send before it chooses an
// export. Real ones send fewer than ten, and one for each export to list.
const maxOptions = 4096

// handshake agrees with the client on an export, which is then c.device.
func (c *connection) handshake(ctx context.Context) error {
	c.readWithin(c.server.opts.HandshakeTimeout)
	c.writeWithin(c.server.opts.HandshakeTimeout)
	hello := binary.BigEndian.AppendUint64(nil, magicServer)
	hello = binary.BigEndian.AppendUint64(hello, magicOption)
	hello = binary.BigEndian.AppendUint16(hello, flagFixedNewstyle|flagNoZeroes)
	if _, err := c.conn.Write(hello); err != nil {
		return err
	}
	var b [4]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return err
	}
	flags := binary.BigEndian.Uint32(b[:])
	if flags&^(flagFixedNewstyle|flagNoZeroes) != 0 {
		return fmt.Errorf("unknown handshake flags %#x", flags)
	}
	c.noZeroes = flags&flagNoZeroes != 0
	for range maxOptions {
		opt, data, err := c.readOption()
		if err != nil {
			return err
		}
		if opt != optExportName && flags&flagFixedNewstyle == 0 {
			return errors.New("options of a client that knows only export names")
		}
		if err := c.answer(ctx, opt, data); err != nil {
			return err
		}
		if c.device != nil {
			return nil
		}
	}
	return errors.New("too many options")
}

// readOption reads the next option. The data of one that is too long is left
// out, and comes as nil.
func (c *connection) readOption() (option, []byte, error) {
	var header [optionSize]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return 0, nil, err
	}
	if binary.BigEndian.Uint64(header[:]) != magicOption {
		return 0, nil, errors.New("not an option")
	}
	opt := option(binary.BigEndian.Uint32(header[8:]))
	n := binary.BigEndian.Uint32(header[12:])
	switch {
	case n > 16*maxOptionData:
		return 0, nil, fmt.Errorf("option %d of %d bytes", opt, n)
	case n > maxOptionData:
		_, err := c.r.Discard(int(n))
		return opt, nil, err
	}
	data := make([]byte, n)
	_, err := io.ReadFull(c.r, data)
	return opt, data, err
}

// answer answers an option. An error ends the connection.
func (c *connection) answer(ctx context.Context, opt option, data []byte) error {
	if c.server.opts.TLS != nil && !c.secure() && opt != optStartTLS && opt != optAbort {
		if opt == optExportName {
			return errors.New("an export name without TLS")
		}
		return c.reply(opt, repErrTLSReqd, []byte("use TLS"))
	}
	if data == nil && opt == optExportName {
		return errors.New("an export name of that length")
	}
	if data == nil {
		return c.reply(opt, repErrTooBig, nil)
	}
	switch opt {
	case optExportName:
		return c.chooseByName(string(data))
	case optInfo, optGo:
		return c.answerInfo(opt, data)
	case optListMetaContext, optSetMetaContext:
		return c.answerMeta(opt, data)
	case optAbort:
		if err := c.reply(opt, repAck, nil); err != nil {
			return err
		}
		return io.EOF
	case optList, optStartTLS, optStructuredReply:
		if len(data) > 0 {
			return c.reply(opt, repErrInvalid, []byte("takes no data"))
		}
	default:
		return c.reply(opt, repErrUnsup, nil)
	}
	switch opt {
	case optList:
		return c.answerList()
	case optStartTLS:
		return c.startTLS(ctx)
	}
	c.structured = true
	return c.reply(opt, repAck, nil)
}

// reply sends one reply to an option.
func (c *connection) reply(opt option, kind uint32, data []byte) error {
	b := make([]byte, 0, 20+len(data))
	b = binary.BigEndian.AppendUint64(b, magicOptReply)
	b = binary.BigEndian.AppendUint32(b, uint32(opt))
	b = binary.BigEndian.AppendUint32(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	_, err := c.conn.Write(append(b, data...))
	return err
}

func (c *connection) answerList() error {
	for _, d := range c.server.devices {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(d.name)))
		b = append(append(b, d.name...), d.description...)
		if err := c.reply(optList, repServer, b); err != nil {
			return err
		}
	}
	return c.reply(optList, repAck, nil)
}

// chooseByName is the old way to begin: there is no reply for an error.
func (c *connection) chooseByName(name string) error {
	d := c.server.device(name)
	if d == nil {
		return fmt.Errorf("no export %q", name)
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(d.size))
	b = binary.BigEndian.AppendUint16(b, c.server.flags(d, c.structured))
	if !c.noZeroes {
		b = append(b, make([]byte, 124)...)
	}
	c.choose(d)
	_, err := c.conn.Write(b)
	return err
}

// choose ends the handshake, before the client learns so: from then on the
// server has a client. Contexts that were set for another export do not hold.
func (c *connection) choose(d *device) {
	c.server.joined()
	c.device = d
	if c.meta.device != d {
		c.meta = metaContexts{}
	}
}

func (c *connection) answerInfo(opt option, data []byte) error {
	req, err := parseInfo(data)
	if err != nil {
		return c.reply(opt, repErrInvalid, []byte(err.Error()))
	}
	d := c.server.device(req.name)
	if d == nil {
		return c.reply(opt, repErrUnknown, []byte("no such export"))
	}
	for _, info := range d.infos(req.want, c.server.flags(d, c.structured)) {
		if err := c.reply(opt, repInfo, info); err != nil {
			return err
		}
	}
	if opt == optGo {
		c.choose(d)
	}
	return c.reply(opt, repAck, nil)
}

// infos is what a client is told of an export: the name only if it wants it,
// as in qemu.
func (d *device) infos(want []uint16, flags uint16) [][]byte {
	kind := func(k uint16) []byte { return binary.BigEndian.AppendUint16(nil, k) }
	var list [][]byte
	for _, k := range want {
		if k == infoName {
			list = append(list, append(kind(infoName), d.name...))
			break
		}
	}
	if d.description != "" {
		list = append(list, append(kind(infoDescription), d.description...))
	}
	sizes := binary.BigEndian.AppendUint32(kind(infoBlockSize), 1)
	sizes = binary.BigEndian.AppendUint32(sizes, preferredBlock)
	sizes = binary.BigEndian.AppendUint32(sizes, maxPayload)
	export := binary.BigEndian.AppendUint64(kind(infoExport), uint64(d.size))
	export = binary.BigEndian.AppendUint16(export, flags)
	return append(list, sizes, export)
}

func (c *connection) answerMeta(opt option, data []byte) error {
	if !c.structured {
		return c.reply(opt, repErrInvalid, []byte("needs structured replies"))
	}
	req, err := parseMeta(data)
	if err != nil {
		return c.reply(opt, repErrInvalid, []byte(err.Error()))
	}
	d := c.server.device(req.name)
	if d == nil {
		return c.reply(opt, repErrUnknown, []byte("no such export"))
	}
	list := opt == optListMetaContext
	m := req.match(d, list)
	if !list {
		c.meta = m
	}
	for i, name := range d.contexts() {
		if !m.chosen[i] {
			continue
		}
		id := uint32(i)
		if list {
			id = 0 // means nothing there
		}
		if err := c.reply(opt, repMetaContext, append(binary.BigEndian.AppendUint32(nil, id), name...)); err != nil {
			return err
		}
	}
	return c.reply(opt, repAck, nil)
}

func (c *connection) secure() bool { return c.conn != c.raw }

// startTLS goes on in TLS. Nothing was agreed on before it that would have to
// be forgotten: where TLS is configured, answer takes no other option.
func (c *connection) startTLS(ctx context.Context) error {
	switch {
	case c.server.opts.TLS == nil:
		return c.reply(optStartTLS, repErrPolicy, []byte("TLS is not configured"))
	case c.secure():
		return c.reply(optStartTLS, repErrInvalid, []byte("TLS has begun already"))
	case c.r.Buffered() > 0:
		// Whoever is between could have put it there, to be taken for the
		// client's.
		return errors.New("plain text after the request for TLS")
	}
	if err := c.reply(optStartTLS, repAck, nil); err != nil {
		return err
	}
	conn := tls.Server(c.raw, c.server.opts.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	c.conn, c.r = conn, bufio.NewReaderSize(conn, readBuffer)
	return nil
}
