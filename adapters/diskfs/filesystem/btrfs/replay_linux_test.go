package btrfs_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/btrfs"
	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// crashed is a filesystem that was copied while it was mounted, after files
// were synced one by one: they are in the log tree alone.
func crashed(name string, crash func(tb testing.TB, dir string)) fstreetest.Config {
	return fstreetest.Config{
		Name: name, Size: mixed, Mkfs: mkfs("-M", "-n", "4096"), Mount: "btrfs", Opts: "commit=300",
		Tree: fstreetest.Tree{Plain: true, Entries: 60}, Crash: crash,
	}
}

func TestLogTreeIsReplayedAsTheKernelDoes(t *testing.T) {
	names := random(8)
	names.Name, names.Large = "btrfs-log-names", false
	configs := []fstreetest.Config{crashed("btrfs-log", synced), names}
	// In the kernel's own replay there are errors left that stop the whole
	// machine: it is not asked to replay what is random without need.
	if oracle.Long() {
		for seed := range uint64(12) {
			configs = append(configs, random(2*seed), random(2*seed+1, "-O", "^no-holes"))
		}
	}
	dirty := 0
	fstreetest.Run(t, configs, func(r io.ReaderAt, size int64) (fs.FS, error) {
		fsys, err := btrfs.Open(r, size)
		if err != nil {
			return nil, err
		}
		if info := fsys.Info(); info.Dirty {
			dirty++
			if len(info.Notes) != 1 || !strings.HasSuffix(info.Notes[0], "was replayed in memory") {
				t.Errorf("info is %+v", info)
			}
		}
		return fsys, nil
	})
	if dirty < 2 {
		t.Errorf("%d of %d images had a log", dirty, len(configs))
	}
}

// synced makes and changes files and their attributes, which is all that
// leaves the times of what is replayed as they were.
func synced(tb testing.TB, dir string) {
	check := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	oracle.Run(tb, "btrfs", "subvolume", "create", in("subvolume"))
	check(os.WriteFile(in("attributes"), []byte("of this file change"), 0o600))
	check(unix.Setxattr(in("attributes"), "user.removed", []byte("before"), 0))
	check(unix.Setxattr(in("attributes"), "user.changed", []byte("before"), 0))
	link := func(n int) error {
		return os.Link(in("attributes"), in(fmt.Sprintf("deep/one of so many names that they need a second item %d", n)))
	}
	for n := range 90 {
		check(link(n))
	}
	oracle.Run(tb, "sync", "-f", dir)

	m := mayhem{tb: tb, rng: rand.New(rand.NewPCG(7, 1))}
	check(unix.Removexattr(in("attributes"), "user.removed"))
	check(unix.Setxattr(in("attributes"), "user.changed", []byte("after"), 0))
	check(unix.Setxattr(in("attributes"), "user.large", bytes.Repeat([]byte("large"), 500), 0))
	check(os.Chown(in("attributes"), 1000, 2000))
	check(os.MkdirAll(in("new/directory"), 0o710))
	for _, name := range []string{"new/directory/small", "subvolume/file", "new/large"} {
		check(os.WriteFile(in(name), bytes.Repeat([]byte(name), 1+len(name)%11*1000), 0o640))
		m.sync(in(name))
	}
	check(os.Link(in("new/large"), in("many/another name")))
	check(os.Symlink("large", in("new/link")))
	m.sync(in("new"))
	check(os.Truncate(in("sizes/200000.bin"), 70001))
	check(os.Truncate(in("sizes/100.bin"), 30000))
	m.files = []string{in("sizes/65536.bin"), in("sizes/65537.bin")}
	for _, name := range m.files {
		m.rewrite(name)
	}
	for _, name := range []string{"attributes", "new/large", "sizes/200000.bin", "sizes/100.bin", "sizes/65536.bin", "sizes/65537.bin"} {
		m.sync(in(name))
	}
	check(os.WriteFile(in("lost"), []byte("not synced"), 0o600))
}

// random changes a tree at random, and syncs now and then a file or a
// directory. Where an entry was deleted the kernel's replay sets times to now.
func random(seed uint64, options ...string) fstreetest.Config {
	c := crashed(fmt.Sprint("random ", seed), func(tb testing.TB, dir string) {
		m := mayhem{tb: tb, rng: rand.New(rand.NewPCG(seed, 1)), dirs: []string{dir, dir + "/many", dir + "/deep"}}
		for range 10 + m.rng.IntN(150) {
			m.step()
		}
	})
	c.Large, c.Mkfs = true, append(c.Mkfs, options...)
	c.Skip = fstreetest.SkipMtime | fstreetest.SkipCtime
	return c
}

// mayhem is a tree that is being changed at random.
type mayhem struct {
	tb    testing.TB
	rng   *rand.Rand
	dirs  []string
	files []string
	made  int
}

func (m *mayhem) dir() string  { return m.dirs[m.rng.IntN(len(m.dirs))] }
func (m *mayhem) file() string { return m.files[m.rng.IntN(len(m.files))] }

// name is a new name, or one that was in use.
func (m *mayhem) name() string {
	if len(m.files) > 0 && m.rng.IntN(3) == 0 {
		return m.file()
	}
	m.made++
	return filepath.Join(m.dir(), fmt.Sprintf("%s%d", strings.Repeat("n", m.rng.IntN(60)), m.made))
}

// step makes one change. What fails, fails: files come and go.
func (m *mayhem) step() {
	if len(m.files) < 5 {
		m.create()
		return
	}
	switch name := m.file(); m.rng.IntN(22) {
	case 0, 1:
		m.create()
	case 2:
		m.made++
		dir := filepath.Join(m.dir(), fmt.Sprint("dir ", m.made))
		if os.Mkdir(dir, 0o750) == nil {
			m.dirs = append(m.dirs, dir)
		}
	case 3:
		_ = os.Remove(name)
	case 4, 5:
		to := m.name()
		_ = os.Rename(name, to)
		m.files = append(m.files, to)
	case 6, 7:
		to := m.name()
		_ = os.Link(name, to)
		m.files = append(m.files, to)
	case 8:
		_ = os.Truncate(name, m.rng.Int64N(100000))
	case 9:
		_ = unix.Setxattr(name, fmt.Sprint("user.", m.rng.IntN(5)), bytes.Repeat([]byte("v"), m.rng.IntN(900)), 0)
	case 10:
		_ = unix.Removexattr(name, fmt.Sprint("user.", m.rng.IntN(5)))
	case 11:
		m.rewrite(name)
	case 12:
		_ = os.Symlink("target", m.name())
	case 13:
		m.sync(m.dir())
	case 14:
		_ = unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, m.file(), unix.RENAME_EXCHANGE)
	case 15:
		_ = unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, m.name(), unix.RENAME_WHITEOUT)
	case 16:
		to := filepath.Join(m.dir(), fmt.Sprint("moved ", m.made))
		if dir := m.dir(); dir != m.dirs[0] && os.Rename(dir, to) == nil {
			m.dirs = append(m.dirs, to)
		}
	case 17:
		if dir := m.dir(); dir != m.dirs[0] && m.rng.IntN(2) == 0 {
			_ = os.RemoveAll(dir)
		}
	case 18:
		m.temporary()
	default:
		m.sync(name)
	}
}

// temporary makes a file without a name, which may get one.
func (m *mayhem) temporary() {
	f, err := os.OpenFile(m.dir(), unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString("temporary")
	if m.rng.IntN(2) == 0 {
		_ = f.Sync()
	}
	if to := m.name(); m.rng.IntN(2) == 0 {
		_ = unix.Linkat(unix.AT_FDCWD, fmt.Sprint("/proc/self/fd/", f.Fd()), unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
		_ = f.Sync()
	}
}

func (m *mayhem) create() {
	name := m.name()
	if os.WriteFile(name, bytes.Repeat([]byte(name), m.rng.IntN(1500)), 0o640) == nil {
		m.files = append(m.files, name)
	}
}

// rewrite changes parts of a file.
func (m *mayhem) rewrite(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	modes := []uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE}
	for range 1 + m.rng.IntN(3) {
		_, _ = f.WriteAt(bytes.Repeat([]byte("rewritten"), 1+m.rng.IntN(1000)), m.rng.Int64N(60000))
		_ = unix.Fallocate(int(f.Fd()), modes[m.rng.IntN(len(modes))], m.rng.Int64N(80000), 1+m.rng.Int64N(40000))
		if m.rng.IntN(2) == 0 {
			m.sync(name)
		}
	}
}

func (m *mayhem) sync(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		m.tb.Fatal(err)
	}
}
