package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/qedfs/qedfs/adapters/blob"
	"github.com/qedfs/qedfs/adapters/source"
)

func init() { // as Beam wants it: workers find functions by their names
	register.DoFn3x1[context.Context, string, func(int, string), error](&InspectFn{})
	register.DoFn3x1[int, func(*string) bool, func(int, Summary), error](&WriteFn{})
	register.DoFn2x1[int, func(*Summary) bool, error](&SummaryFn{})
	register.Emitter2[int, string]()
	register.Emitter2[int, Summary]()
	register.Iter1[string]()
	register.Iter1[Summary]()
}

// Job says what is done. It goes to the workers with the pipeline.
type Job struct {
	Format  string
	Pattern string
	Limits  Limits
	Output  string // directory
	Shards  int
}

// build adds the job to a pipeline: one image is one element.
//
//	names -> InspectFn -> rows by shard -> WriteFn -> summaries -> SummaryFn
func (j Job) build(s beam.Scope, names []string) {
	rows := beam.ParDo(s, &InspectFn{Job: j}, beam.Reshuffle(s, beam.CreateList(s, names)))
	parts := beam.ParDo(s, &WriteFn{Job: j}, beam.GroupByKey(s, rows))
	beam.ParDo0(s, &SummaryFn{Job: j}, beam.GroupByKey(s, parts))
}

// done is where a row is kept as soon as there is one, for a run that resumes.
func (j Job) done(name string) string {
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %+v", name, j.Format, j.Pattern, j.Limits))
	sum := hex.EncodeToString(key[:])
	return filepath.Join(j.Output, "rows", sum[:2], sum)
}

// shard puts a row always into the same file.
func (j Job) shard(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % uint32(j.Shards))
}

// InspectFn makes an image's name its row.
type InspectFn struct {
	Job Job
	in  *inspector
}

// Setup is called once in a worker.
func (f *InspectFn) Setup() error {
	o, err := source.New(&source.Options{Schemes: blob.Schemes(), CacheBytes: f.Job.Limits.Memory / 2})
	f.in = &inspector{opener: o, format: f.Job.Format, pattern: f.Job.Pattern, limits: f.Job.Limits}
	return err
}

// ProcessElement emits the row of an image. One that an earlier run has made is
// taken as it is. An error is one of this machine, not of the image.
func (f *InspectFn) ProcessElement(ctx context.Context, name string, emit func(int, string)) error {
	done := f.Job.done(name)
	b, err := os.ReadFile(done)
	if errors.Is(err, fs.ErrNotExist) {
		row := f.in.inspect(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err() // the run ends, which is no fault of the image
		}
		if b, err = json.Marshal(row); err == nil {
			err = writeFile(done, b)
		}
	}
	if err != nil {
		return err
	}
	emit(f.Job.shard(name), string(b))
	return nil
}

// Teardown ends the connections.
func (f *InspectFn) Teardown() error { return f.in.opener.Close() }

// WriteFn writes a shard's rows in order.
type WriteFn struct{ Job Job }

// ProcessElement writes one file and emits what is in it.
func (f *WriteFn) ProcessElement(shard int, rows func(*string) bool, emit func(int, Summary)) error {
	var all []string
	var row string
	for rows(&row) {
		all = append(all, row)
	}
	sort.Strings(all)
	var b []byte
	sum := Summary{Systems: map[string]int{}}
	for _, row := range all {
		b = append(append(b, row...), '\n')
		if err := sum.add(row); err != nil {
			return err
		}
	}
	emit(0, sum)
	return writeFile(filepath.Join(f.Job.Output, fmt.Sprintf("images-%05d-of-%05d.jsonl", shard, f.Job.Shards)), b)
}

// Summary counts what is in all rows.
type Summary struct {
	Images, Failed, Packages, Files int
	Systems                         map[string]int // by ID and version
}

func (s *Summary) add(text string) error {
	var row Row
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		return err
	}
	s.Images++
	if row.Error != "" {
		s.Failed++
	}
	s.Packages += len(row.Packages)
	s.Files += len(row.Files)
	for _, system := range row.Systems {
		s.Systems[system.ID+" "+system.Version]++
	}
	return nil
}

// SummaryFn writes summary.json.
type SummaryFn struct{ Job Job }

// ProcessElement adds the summaries of all shards up.
func (f *SummaryFn) ProcessElement(_ int, parts func(*Summary) bool) error {
	total := Summary{Systems: map[string]int{}}
	var part Summary
	for parts(&part) {
		total.Images += part.Images
		total.Failed += part.Failed
		total.Packages += part.Packages
		total.Files += part.Files
		for name, n := range part.Systems {
			total.Systems[name] += n
		}
		part = Summary{}
	}
	b, err := json.MarshalIndent(total, "", "  ") // maps come out sorted
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(f.Job.Output, "summary.json"), append(b, '\n'))
}

// writeFile writes a file that appears whole or not at all: two workers may
// write the same one, and a run may be killed.
func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".partial-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
