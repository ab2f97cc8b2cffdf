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
	"github.com/qedfs/qedfs/adapters/wrapped"
	"github.com/qedfs/qedfs/backend"
)

// sources opens the images that are no plain files.
type sources struct {
	ctx       context.Context // of the command: reading goes on as long
	header    []string
	cacheDir  string
	cacheSize string

	maxUnpacked string
	progress    *progress      // of unpacking; nil before there is any
	opener      *source.Opener // made when the first is opened
}

// addSourceFlags gives a subcommand the flags that say how images on other
// machines and in archives are read.
func (a *app) addSourceFlags(cmd *cobra.Command) {
	s := &a.sources
	cmd.Flags().StringArrayVar(&s.header, "header", nil, "send `'NAME: VALUE'` to the host of an image's URL; $QED_HTTP_HEADER has one a line, ~/.netrc logins")
	cmd.Flags().StringVar(&s.cacheDir, "cache-dir", "", "keep blocks of images from URLs in `DIR` between runs")
	cmd.Flags().StringVar(&s.cacheSize, "cache-size", "1GiB", "`bytes` that --cache-dir may take")
	cmd.Flags().StringVar(&s.maxUnpacked, "max-unpacked", "256GiB", "`bytes` that a compressed image may unpack to")
	if err := cmd.MarkFlagDirname("cache-dir"); err != nil {
		panic(err) // the flag is two lines above
	}
}

// openSource opens what an IMAGE argument names. A format that is told makes it
// more careful with what looks like a wrapper.
func (a *app) openSource(name string, acc access) (backend.Reader, error) {
	if acc.write {
		if file, member := source.CutMember(name); member != "" || !source.Local(name) {
			return nil, fmt.Errorf("%s can only be read", file)
		}
		return backend.OpenFile(name, os.O_RDWR, nil)
	}
	if a.sources.opener == nil {
		var err error
		if a.sources.opener, err = a.newOpener(); err != nil {
			return nil, err
		}
	}
	src, err := a.sources.opener.Open(a.sources.ctx, name, &source.OpenOptions{ForceShare: acc.share, AsNamed: acc.format != ""})
	if a.sources.progress != nil {
		a.sources.progress.finish()
	}
	if err != nil {
		return nil, err
	}
	return src, nil
}

func (a *app) newOpener() (*source.Opener, error) {
	s := &a.sources
	cacheSize, err := parseBytes("--cache-size", s.cacheSize)
	if err != nil {
		return nil, err
	}
	maxUnpacked, err := parseBytes("--max-unpacked", s.maxUnpacked)
	if err != nil {
		return nil, err
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
		CacheDirBytes: cacheSize,
		Wrapped: &wrapped.Options{MaxSize: maxUnpacked, Progress: func(done, total int64) {
			if s.progress == nil {
				s.progress = a.newProgress("unpack", false)
			}
			s.progress.set(done, total)
		}},
	})
}

// parseBytes reads the value of a flag that is a number of bytes, with a unit
// or without.
func parseBytes(flag, value string) (int64, error) {
	n, err := humanize.ParseBytes(value)
	if err != nil || n == 0 || n > 1<<62 {
		return 0, fmt.Errorf("%s %s: not a number of bytes", flag, value)
	}
	return int64(n), nil
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
