package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/diskfs/guest"
	"github.com/qedfs/qedfs/examples/qed/internal/web"
)

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [flags] IMAGE",
		Short: "Show the files inside the image to a browser",
		Long: `Show an image to a browser: its systems and what is installed, its volumes, all
files with what the filesystem says of them and a preview, what takes the space,
a search by name, and directories as tar or zip archives, one at a time. It ends
with Ctrl-C.

The same addresses are WebDAV, for reading: /files/ has the volumes, and
/os/NAME/files/ the files of a system as it sees them itself.

It listens on this machine alone unless --listen says otherwise; there is no
password. No script of the image is run by the browser.

What cannot be read is said on its page and on standard error. An archive that
lacks something ends with a list of it, LEFT-OUT.txt.`,
		Args: cobra.ExactArgs(1),
	}
	a.addFileFlags(cmd)
	listen := cmd.Flags().String("listen", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := a.openFiles(cmd, args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		host, _, err := net.SplitHostPort(*listen)
		if err != nil {
			return usageError(cmd, err)
		}
		var lc net.ListenConfig
		l, err := lc.Listen(cmd.Context(), "tcp", *listen)
		if err != nil {
			return err
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(web.MemoryLimit)
		}
		if err := f.noteListener(l, args[0]); err != nil {
			return errors.Join(err, l.Close())
		}
		f.reportVolumes()
		f.reportNotes()
		return serve(cmd.Context(), l, f.site(args[0], host).Handler())
	}
	return cmd
}

// site is the image as web pages.
func (f *files) site(name, host string) *web.Site {
	var mu sync.Mutex
	return &web.Site{
		Name: filepath.Base(name), Disk: f.Disk, Notes: f.allNotes, Host: host, Systems: f.systems,
		Map: func(ctx context.Context, w io.Writer) error {
			picture, err := f.a.picture(ctx, f.opened)
			if picture == nil {
				return err
			}
			return errors.Join(err, picture.WriteSVG(w))
		},
		Problem: func(path string, err error) {
			mu.Lock()
			defer mu.Unlock()
			f.note(atPath(path, err))
		},
	}
}

// systems are those on the disk, or the one of --os.
func (f *files) systems() ([]*guest.System, error) {
	if f.a.os == "" {
		return guest.Find(f.Disk)
	}
	s, err := chooseSystem(f.Disk, f.a.os)
	if s == nil {
		return nil, err
	}
	return []*guest.System{s}, err
}

// noteListener says where to look, and who else can.
func (f *files) noteListener(l net.Listener, name string) error {
	if _, err := fmt.Fprintf(f.a.stdout, "%s is shown at http://%s/ (Ctrl-C ends it)\n", name, l.Addr()); err != nil {
		return err
	}
	if addr, err := netip.ParseAddrPort(l.Addr().String()); err == nil && !addr.Addr().IsLoopback() {
		f.note(errors.New("everybody who can reach this address can read the image"))
	}
	return nil
}

// serve answers requests until ctx ends, and then waits a little for those
// that are being answered.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	err := server.Serve(web.Limit(l))
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	if err := <-stopped; err != nil {
		return server.Close() // a download was still going on
	}
	return nil
}
