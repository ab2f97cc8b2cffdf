package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
)

// TestChangesThatTheLogHoldsBegunAreCarriedOut has the log end within a write
// over shared blocks, which takes several transactions. A crash now is within
// one only by chance; the committed image is, as
// TestTheCommittedImageHoldsAChangeThatWasBegun sees to.
func TestChangesThatTheLogHoldsBegunAreCarriedOut(t *testing.T) {
	c := then(crashed(config("xfs-dirty-begun", 16, fstreetest.Tree{Plain: true, Entries: 10}, "-b", "size=1k"), 0, ""), sharing)
	fstreetest.Run(t, []fstreetest.Config{c}, open)
}

// sharing writes over shared blocks while the log is written again and again,
// and ends all writing in between.
func sharing(tb testing.TB, dir string) {
	in := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
	if err := fragments(in("shared"), 200); err != nil {
		tb.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	until := func(f func(i int) error) {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if f(i) != nil {
					return // the filesystem was shut down
				}
			}
		})
	}
	for worker := range 2 {
		until(func(i int) error { return overwrite(in("shared"), in("copy %d of %d", i%3, worker)) })
	}
	until(func(int) error {
		return errors.Join(os.WriteFile(in("synced"), []byte("x"), 0o600), flush(in("synced")))
	})
	time.Sleep(200 * time.Millisecond)
	shutDown(tb, dir)
	stop.Store(true)
	wg.Wait()
}

// overwrite makes a copy that shares its blocks and writes over some.
func overwrite(from, to string) error {
	if err := clone(from, to); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range int64(30) {
		if _, err := f.WriteAt(bytes.Repeat([]byte("anew"), 100), i*37%200*20000); err != nil {
			return err
		}
	}
	return nil
}
