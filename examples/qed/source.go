package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/qedfs/qedfs/adapters/source"
	"github.com/qedfs/qedfs/backend"
)

// sources opens the images that are no plain files.
type sources struct {
	ctx       context.Context // of the command: reading goes on as long
	header    []string
	cacheDir  string
	cacheSize string
	opener    *source.Opener // made when the first is opened
}

// addSourceFlags gives a subcommand the flags that say how images on other
// machines are read.
func (a *app) addSourceFlags(cmd *cobra.Command) {
	s := &a.sources
	cmd.Flags().StringArrayVar(&s.header, "header", nil, "send `'NAME: VALUE'` to the host of an image's URL; $QED_HTTP_HEADER has one a line, ~/.netrc logins")
	cmd.Flags().StringVar(&s.cacheDir, "cache-dir", "", "keep blocks of images from URLs in `DIR` between runs")
	cmd.Flags().StringVar(&s.cacheSize, "cache-size", "1GiB", "`bytes` that --cache-dir may take")
	if err := cmd.MarkFlagDirname("cache-dir"); err != nil {
		panic(err) // the flag is two lines above
	}
}

// openSource opens what an IMAGE argument names.
func (a *app) openSource(name string, flag int, share bool) (backend.Reader, error) {
	if source.Local(name) {
		return backend.OpenFile(name, flag, &backend.FileOptions{ForceShare: share})
	}
	if flag != os.O_RDONLY {
		return nil, errors.New("an image at a URL can only be read")
	}
	if a.sources.opener == nil {
		var err error
		if a.sources.opener, err = a.sources.newOpener(); err != nil {
			return nil, err
		}
	}
	return a.sources.opener.Open(a.sources.ctx, name)
}

func (s *sources) newOpener() (*source.Opener, error) {
	size, err := humanize.ParseBytes(s.cacheSize)
	if err != nil || size > 1<<62 {
		return nil, fmt.Errorf("--cache-size %s: not a number of bytes", s.cacheSize)
	}
	header := http.Header{}
	for line := range strings.Lines(os.Getenv("QED_HTTP_HEADER")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := addHeader(header, line); err != nil {
			return nil, fmt.Errorf("QED_HTTP_HEADER: %w", err)
		}
	}
	for _, line := range s.header {
		if err := addHeader(header, line); err != nil {
			return nil, fmt.Errorf("--header: %w", err)
		}
	}
	return source.New(&source.Options{
		HTTP:          &backend.HTTPOptions{Header: header},
		Netrc:         netrcName(),
		CacheDir:      s.cacheDir,
		CacheDirBytes: int64(size),
	})
}

// addHeader adds a line "Name: value". An error does not show the value, which
// may be secret.
func addHeader(header http.Header, line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
		return errors.New("not of the form 'Name: value'")
	}
	header.Add(name, value)
	return nil
}

// netrcName is where curl and git look for logins.
func netrcName() string {
	if name := os.Getenv("NETRC"); name != "" {
		return name
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "windows" {
		return filepath.Join(home, "_netrc")
	}
	return filepath.Join(home, ".netrc")
}
