package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qedfs/qedfs/adapters/diskfs/bitlocker"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
	"github.com/qedfs/qedfs/examples/qed/internal/show"
)

const (
	maxKeyFile    = 8 << 20 // bytes, as cryptsetup has it
	maxPrompts    = 3       // as cryptsetup has it
	envPassphrase = "QED_PASSPHRASE"
)

// keys are what opens encrypted volumes. A passphrase is never an argument, which
// everybody on the machine can see.
type keys struct {
	files        []string
	offset, size int64
	memory       int64
	headers      []string

	read     bool
	known    [][]byte // what has been given, the newest last
	prompted map[string]int
}

// addKeyFlags gives a subcommand the flags of encrypted volumes, by cryptsetup's
// names.
func (a *app) addKeyFlags(cmd *cobra.Command) {
	defer common(cmd)()
	f := cmd.Flags()
	f.StringArrayVar(&a.keys.files, "key-file", nil, "open encrypted volumes with the contents of this `file`; - is standard input (repeatable)")
	addSizeFlag(cmd, &a.keys.offset, "keyfile-offset", "", "bytes", "bytes of the key file to skip")
	addSizeFlag(cmd, &a.keys.size, "keyfile-size", "", "bytes", "bytes of the key file to read (default: all)")
	addSizeFlag(cmd, &a.keys.memory, "kdf-memory", "", "bytes", "memory that deriving a key may take (default 1G)")
	f.StringArrayVar(&a.keys.headers, "luks-header", nil, "read the LUKS header of a volume from a file: `VOLUME=FILE`")
}

// maxHeader is the longest LUKS header that is read, in bytes. LUKS 2's are 16
// MiB unless told otherwise, and 132 MiB at most.
const maxHeader = 256 << 20

// diskOptions say how the volumes of a disk are opened.
func (a *app) diskOptions() (*imagefs.Options, error) {
	opts := &imagefs.Options{SectorSize: int64(a.open.sectorSize), Zone: a.open.zone, Key: a.key, IgnoreDataChecksums: a.open.ignoreChecksums}
	opts.LUKS.MaxMemory = a.keys.memory
	for _, h := range a.keys.headers {
		volume, name, ok := strings.Cut(h, "=")
		if !ok || volume == "" || name == "" {
			return nil, fmt.Errorf("--luks-header %s: not VOLUME=FILE", show.Text(h))
		}
		header, err := readHeader(name)
		if err != nil {
			return nil, err
		}
		opts.Headers = append(opts.Headers, imagefs.Header{Volume: volume, Reader: bytes.NewReader(header), Size: int64(len(header))})
	}
	return opts, nil
}

func readHeader(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header, err := io.ReadAll(io.LimitReader(f, maxHeader+1))
	if err == nil && len(header) > maxHeader {
		err = errors.New("too long for a LUKS header")
	}
	return header, fileError(name, err)
}

// key is asked for the key of an encrypted volume. What has opened another one
// is tried first: the volumes of a machine often have one key.
func (a *app) key(r imagefs.KeyRequest) ([]byte, error) {
	k := &a.keys
	if err := k.given(a.stdin); err != nil {
		return nil, err
	}
	if r.Attempt < len(k.known) {
		return append([]byte(nil), k.known[len(k.known)-1-r.Attempt]...), nil
	}
	if len(k.files) > 0 {
		return nil, imagefs.ErrLocked
	}
	pass, err := a.prompt(r)
	if err == nil {
		// The next attempt goes on after this one.
		k.known = append([][]byte{append([]byte(nil), pass...)}, k.known...)
	}
	return pass, err
}

// given reads what the command line and the environment give, once.
func (k *keys) given(stdin io.Reader) error {
	if k.read {
		return nil
	}
	k.read = true
	for _, name := range k.files {
		key, err := k.readFile(name, stdin)
		if err != nil {
			return fmt.Errorf("key file: %w", err)
		}
		k.known = append(k.known, key)
	}
	if pass := os.Getenv(envPassphrase); pass != "" && len(k.files) == 0 {
		k.known = append(k.known, []byte(pass))
	}
	return nil
}

func (k *keys) readFile(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	if _, err := io.CopyN(io.Discard, r, k.offset); err != nil {
		return nil, fmt.Errorf("%s: shorter than its --keyfile-offset: %w", show.Name(name), err)
	}
	limit := k.size
	if limit == 0 {
		limit = maxKeyFile + 1
	}
	key, err := io.ReadAll(io.LimitReader(r, limit))
	switch {
	case err != nil:
		return nil, fileError(name, err)
	case len(key) > maxKeyFile:
		return nil, fmt.Errorf("%s: more than %d bytes", show.Name(name), maxKeyFile)
	case k.size > 0 && int64(len(key)) < k.size:
		return nil, fmt.Errorf("%s: shorter than its --keyfile-size", show.Name(name))
	}
	return key, nil
}

// prompt asks for a passphrase where somebody can answer. No answer leaves the
// volume as it is.
func (a *app) prompt(r imagefs.KeyRequest) ([]byte, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, imagefs.ErrLocked
	}
	if a.keys.prompted == nil {
		a.keys.prompted = make(map[string]int)
	}
	if a.keys.prompted[r.Volume]++; a.keys.prompted[r.Volume] > maxPrompts {
		return nil, imagefs.ErrLocked
	}
	a.progress.clear()
	fmt.Fprintf(a.stderr, "%s; none leaves it closed: ", question(r))
	pass, err := a.readPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(pass) == 0 {
		return nil, imagefs.ErrLocked
	}
	return pass, nil
}

// question says what is asked for. Of BitLocker it names what Windows shows beside a
// recovery password.
func question(r imagefs.KeyRequest) string {
	if r.BitLocker == nil {
		return fmt.Sprintf("Passphrase for %s (LUKS %d, %s)", show.Name(r.Volume), r.Version, show.Text(r.UUID))
	}
	id := ""
	for _, p := range r.BitLocker.Protectors {
		if p.Kind == bitlocker.RecoveryPassword {
			id += ", key ID " + strings.ToUpper(p.ID)
		}
	}
	return fmt.Sprintf("Password or recovery password for %s (BitLocker%s)", show.Name(r.Volume), id)
}

// readPassword reads a line without showing it. When the command is interrupted
// it gives the terminal back as it was.
func (a *app) readPassword(fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type answer struct {
		pass []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // ends with the process, if there is no answer
		pass, err := term.ReadPassword(fd)
		answered <- answer{pass, err}
	}()
	ctx := a.sources.ctx
	select {
	case got := <-answered:
		return got.pass, got.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

// forget overwrites the keys.
func (k *keys) forget() {
	for _, key := range k.known {
		clear(key)
	}
}
