package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/nbd"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

func newNBD(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nbd [flags] IMAGE",
		Short: "Serve the disk or its volumes as network block devices (NBD)",
		Long: `Serve the disk to clients of the network block device protocol (NBD): nbdcopy,
nbd-client, qemu. The flags are those of qemu-nbd. As there, clients can write
unless -r is given, and the server ends when the last client leaves unless -t
is given; Ctrl-C ends it after the requests that it has.

It listens on port 10809 of this machine alone, and not of all its addresses
as qemu-nbd does; -b says otherwise, and -k takes a Unix socket instead. There
is no password: TLS with certificates keeps others out. Their directory has
ca-cert.pem, server-cert.pem and server-key.pem:

  qed nbd -b 0.0.0.0 --tls-creds t \
    --object tls-creds-x509,id=t,endpoint=server,dir=DIR disk.qed

-l serves an internal snapshot, which no client can write; so is an image that
is neither QED nor raw, which needs -r.

--volume serves a volume in place of the disk; given several times, each is an
export with the name of the volume. Logical volumes can only be served with
-r.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	n := &nbdServer{app: a, cmd: cmd}
	n.addFlags()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := n.checkFlags(); err != nil {
			return usageError(cmd, err)
		}
		if !isForked() {
			n.warn()
		}
		if n.fork && !isForked() {
			return a.runForked()
		}
		return n.run(cmd.Context(), args[0])
	}
	return cmd
}

// nbdServer is the flags of the subcommand.
type nbdServer struct {
	app *app
	cmd *cobra.Command

	socket, bind, exportName, description string
	port, shared                          int
	offset                                int64
	readOnly, persistent, depth, verbose  bool
	discard                               string
	volumes                               []string
	tls                                   tlsFlags
	fork                                  bool
	pidFile                               string
}

func (n *nbdServer) addFlags() {
	f := n.cmd.Flags()
	f.StringVarP(&n.socket, "socket", "k", "", "listen on a Unix socket at this `path`")
	f.IntVarP(&n.port, "port", "p", 10809, "listen on this `port`; 0 takes a free one")
	f.StringVarP(&n.bind, "bind", "b", "127.0.0.1", "listen on this `address`")
	f.IntVarP(&n.shared, "shared", "e", 1, "serve this `number` of clients at a time; 0 is no limit but 1024")
	f.BoolVarP(&n.persistent, "persistent", "t", false, "go on when the last client leaves")
	f.StringVarP(&n.exportName, "export-name", "x", "", "`name` of the export")
	f.StringVarP(&n.description, "description", "D", "", "`text` for clients that list the exports")
	addSizeFlag(n.cmd, &n.offset, "offset", "o", "offset", "serve the disk from this byte on")
	f.BoolVarP(&n.depth, "allocation-depth", "A", false, "tell clients which layer of the chain holds what")
	f.BoolVarP(&n.readOnly, "read-only", "r", false, "let no client write")
	f.BoolVarP(&n.verbose, "verbose", "v", false, "tell of clients that are cut off")
	f.StringArrayVar(&n.volumes, "volume", nil, "serve this volume, by its `name`")
	f.BoolVar(&n.fork, "fork", false, "serve in the background; the command ends when clients can connect")
	f.StringVar(&n.pidFile, "pid-file", "", "write the number of the serving process to this `file`")
	f.StringVar(&n.tls.object, "object", "", "certificates: tls-creds-x509,id=`ID,endpoint=server,dir=DIR`[,verify-peer=off]")
	f.StringVar(&n.tls.creds, "tls-creds", "", "demand TLS, with the certificates of this --object `ID`")
	addChoice(n.cmd, &n.discard, "discard", "", "ignore", "what a client's trim does: unmap gives the space back", "ignore", "off", "unmap", "on")
	n.app.addSnapshotFlag(n.cmd)
	for _, r := range refusedNBDFlags {
		f.VarP(refusedFlag(r.why), r.name, r.short, "")
		f.Lookup(r.name).Hidden = true
		if !r.takesValue {
			f.Lookup(r.name).NoOptDefVal = "true"
		}
	}
}

// refusedNBDFlags are flags of qemu-nbd that are not there, and what to do
// instead.
var refusedNBDFlags = []struct {
	name, short string
	takesValue  bool
	why         string
}{
	{"connect", "c", true, "the kernel's client connects a device: serve a socket with -k, then 'nbd-client -unix SOCKET DEVICE'"},
	{"disconnect", "d", false, "'nbd-client -d DEVICE' does that"},
	{"list", "L", false, "'nbdinfo --list' shows the exports of a server"},
	{"bitmap", "B", true, "QED images have no bitmaps"},
	{"nocache", "n", false, "the host's cache is always used; clients flush"},
	{"cache", "", true, "the host's cache is always used, as with qemu-nbd's writeback; clients flush"},
	{"aio", "", true, "there is one way to read and write"},
	{"detect-zeroes", "", true, "clients say what is zeroes"},
	{"image-opts", "", false, "IMAGE is the name of a file"},
	{"tls-authz", "", true, "whoever has a certificate of the authority is let in"},
	{"trace", "T", true, "there are no trace points"},
	{"selinux-label", "", true, "labels are not set; use chcon on the socket"},
}

// refusedFlag is a flag that says why it cannot be given.
type refusedFlag string

func (refusedFlag) String() string     { return "" }
func (refusedFlag) Type() string       { return "" }
func (f refusedFlag) Set(string) error { return errors.New(string(f)) }

func (n *nbdServer) checkFlags() error {
	given := n.cmd.Flags().Changed
	switch {
	case n.socket != "" && (given("port") || given("bind")):
		return errors.New("-k is a Unix socket, and takes neither -p nor -b")
	case n.port < 0 || n.port > 65535:
		return fmt.Errorf("-p %d: no port", n.port)
	case n.shared < 0:
		return fmt.Errorf("-e %d: no number of clients", n.shared)
	case len(n.volumes) > 0 && given("offset"):
		return errors.New("--volume begins where the volume does, and takes no -o")
	case len(n.volumes) > 1 && given("export-name"):
		return errors.New("several volumes have their own names, and take no -x")
	case n.app.open.forceShare && !n.readOnly:
		return errors.New("-U opens an image that another process writes, and needs -r")
	}
	return n.tls.check()
}

func (n *nbdServer) run(ctx context.Context, name string) (err error) {
	a := n.app
	config, err := n.tls.config()
	if err != nil {
		return err
	}
	if a.open.snapshot != "" {
		n.readOnly = true // as qemu-nbd has it
	}
	d, err := a.openDiskFor(name, access{format: a.open.format, write: !n.readOnly})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fileError(name, d.Close())) }()
	exports, err := n.exports(d)
	if err != nil {
		return fileError(name, err)
	}
	l, err := n.listen(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if n.pidFile != "" {
		if err := os.WriteFile(n.pidFile, fmt.Appendln(nil, os.Getpid()), 0o666); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(n.pidFile)) }()
	}
	n.say(l, name, exports, config)
	opts := &nbd.Options{TLS: config, MaxClients: n.shared, UntilIdle: !n.persistent, Logger: slog.New(n.logger())}
	if n.shared == 0 {
		opts.MaxClients = 1024
	}
	return nbd.Serve(ctx, l, exports, opts)
}

// exports are what is served of a disk.
func (n *nbdServer) exports(d *disk) ([]nbd.Export, error) {
	e := nbd.Export{
		Name: n.exportName, Description: n.description, Disk: d.Disk, Offset: n.offset,
		Writable: !n.readOnly, Discard: n.discard == "unmap" || n.discard == "on", AllocationDepth: n.depth,
	}
	if len(n.volumes) == 0 {
		return []nbd.Export{e}, nil
	}
	disk, err := n.app.openVolumes(d)
	if err != nil {
		return nil, err
	}
	volumes, err := disk.Volumes()
	if err != nil {
		return nil, err
	}
	f := &files{Disk: disk, disk: d.Disk, tree: newDiskTree(disk, ""), volumes: volumes}
	exports := make([]nbd.Export, len(n.volumes))
	for i, name := range n.volumes {
		v, err := f.volume(name)
		if err != nil {
			return nil, err
		}
		exports[i] = e
		if len(n.volumes) > 1 {
			exports[i].Name = v.Name
		}
		switch on, number := v.OnDisk(); {
		case v.Size == 0:
			return nil, fmt.Errorf("%s: has no bytes", show.Name(v.Name))
		case number > 0 && !n.readOnly:
			return nil, fmt.Errorf("%s: lies on a further disk, and can only be served with -r", show.Name(v.Name))
		case v.Offset >= 0:
			exports[i].Disk, exports[i].Offset, exports[i].Length = on, v.Offset, v.Size
		case n.readOnly:
			exports[i].Disk = &volumeDisk{v.Reader(), v}
		default:
			return nil, fmt.Errorf("%s: does not lie on the disk in one piece, and can only be served with -r", show.Name(v.Name))
		}
	}
	return exports, nil
}

// listen opens the socket. One at a path that nobody listens on any more is
// replaced.
func (n *nbdServer) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	if n.socket == "" {
		return lc.Listen(ctx, "tcp", net.JoinHostPort(n.bind, strconv.Itoa(n.port)))
	}
	l, err := lc.Listen(ctx, "unix", n.socket)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	var dialer net.Dialer
	conn, dialErr := dialer.DialContext(ctx, "unix", n.socket)
	if dialErr == nil {
		conn.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, err
	}
	if info, statErr := os.Lstat(n.socket); statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	if err := os.Remove(n.socket); err != nil {
		return nil, err
	}
	return lc.Listen(ctx, "unix", n.socket)
}

// say says where clients find the exports.
func (n *nbdServer) say(l net.Listener, name string, exports []nbd.Export, config *tls.Config) {
	for i := range exports {
		fmt.Fprintf(n.app.stdout, "%s is served at %s\n", name, exportURI(l.Addr(), exports[i].Name, config != nil))
	}
	n.app.leave()
}

// warn says who can use the disk where that may not be meant.
func (n *nbdServer) warn() {
	addr, err := netip.ParseAddr(n.bind)
	if n.socket == "" && n.tls.creds == "" && n.bind != "localhost" && (err != nil || !addr.IsLoopback()) {
		fmt.Fprintf(n.app.stderr, "%s: everybody who can reach this address can use the disk\n", commandPrefix(n.cmd))
	}
}

// exportURI is the address of an export as NetworkBlockDevice/nbd doc/uri.md
// has it.
func exportURI(addr net.Addr, export string, secure bool) string {
	u := url.URL{Scheme: "nbd", Host: addr.String(), Path: "/" + export}
	if secure {
		u.Scheme = "nbds"
	}
	if addr.Network() == "unix" {
		path := &url.URL{Path: addr.String()}
		socket := strings.NewReplacer("&", "%26", "+", "%2B").Replace(path.EscapedPath())
		return u.Scheme + "+unix://" + u.EscapedPath() + "?socket=" + socket
	}
	return u.String()
}

// logger prints what the server tells, as messages of the command.
func (n *nbdServer) logger() slog.Handler {
	level := slog.LevelWarn
	if n.verbose {
		level = slog.LevelInfo
	}
	return &messageHandler{cmd: n.cmd, w: n.app.stderr, level: level}
}

// messageHandler is a [slog.Handler] for people.
type messageHandler struct {
	cmd   *cobra.Command
	level slog.Level

	mu sync.Mutex
	w  io.Writer
}

func (h *messageHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }
func (h *messageHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *messageHandler) WithGroup(string) slog.Handler                { return h }

func (h *messageHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintf(h.w, "%s: %s\n", commandPrefix(h.cmd), message(errors.New(text)))
	return err
}
