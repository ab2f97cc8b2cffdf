// Fleet takes an inventory of thousands of disk images by Apache Beam: their
// volumes, systems and packages, and files that match a pattern with their
// hashes, as JSON lines and a summary. Nothing is copied: an image is read
// where it lies, as far as it must be.
//
//	fleet --input 'images/*.qed' --output out --match '*.pem'
//
// The README tells how to run it on Flink, Spark and Dataflow.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
	gocloud "gocloud.dev/blob"
)

func main() {
	input := flag.String("input", "", "a `list` of names (@FILE, one a line), a glob, or a bucket's prefix (s3://bucket/prefix/)")
	job := Job{}
	flag.StringVar(&job.Output, "output", "", "`directory` for the rows; a run that was killed goes on there")
	flag.StringVar(&job.Format, "format", "", "format of all images, such as raw (default: by their first bytes)")
	flag.StringVar(&job.Pattern, "match", "", "hash the files whose name or path matches this `pattern`")
	flag.IntVar(&job.Shards, "shards", 1, "number of files that rows are written to")
	flag.DurationVar(&job.Limits.Time, "max-time", time.Minute, "`time` for an image")
	flag.Int64Var(&job.Limits.Bytes, "max-bytes", 4<<30, "`bytes` that are read of an image")
	flag.Int64Var(&job.Limits.Memory, "max-memory", 32<<20, "`bytes` of caches for an image")
	flag.IntVar(&job.Limits.Entries, "max-entries", 5_000_000, "directory `entries` that are looked at in an image")
	flag.Parse()
	beam.Init() // a worker stays in here
	if err := run(context.Background(), *input, job); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, input string, job Job) error {
	if _, err := path.Match(job.Pattern, ""); err != nil {
		return err
	}
	if input == "" || job.Output == "" || job.Shards < 1 {
		return errors.New("--input, --output and at least one of --shards are needed")
	}
	names, err := list(ctx, input)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: no images", input)
	}
	p, s := beam.NewPipelineWithRoot()
	job.build(s, names)
	return beamx.Run(ctx, p)
}

// list returns the names that an input stands for, sorted, each once.
func list(ctx context.Context, input string) (names []string, err error) {
	switch {
	case strings.HasPrefix(input, "@"):
		names, err = listFile(input[1:])
	case strings.Contains(input, "://"):
		names, err = listBucket(ctx, input)
	default:
		names, err = filepath.Glob(input)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func listFile(name string) (names []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" {
			names = append(names, line)
		}
	}
	return names, s.Err()
}

// listBucket lists the objects whose keys begin as the path of the URL does.
func listBucket(ctx context.Context, rawURL string) (names []string, err error) {
	before, query, _ := strings.Cut(rawURL, "?")
	scheme, rest, _ := strings.Cut(before, "://")
	host, prefix, _ := strings.Cut(rest, "/")
	if query != "" {
		query = "?" + query
	}
	bucket, err := gocloud.OpenBucket(ctx, scheme+"://"+host+query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bucket.Close()) }()
	for it := bucket.List(&gocloud.ListOptions{Prefix: prefix}); ; {
		o, err := it.Next(ctx)
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(o.Key, "/") {
			names = append(names, scheme+"://"+host+"/"+escape(o.Key)+query)
		}
	}
}

func escape(key string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", " ", "%20").Replace(key)
}
