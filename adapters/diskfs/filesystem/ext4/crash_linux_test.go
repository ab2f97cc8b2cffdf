package ext4_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree/fstreetest"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"golang.org/x/sys/unix"
)

// Whatever happens to a tree, and whenever the power fails, the replayed
// journal shows what the kernel's recovery makes of it.
func TestTreeEqualsTheKernelsAfterRandomHistories(t *testing.T) {
	rng := oracle.Seed(t)
	rounds := 1
	if oracle.Long() {
		rounds = 10
	}
	var all []fstreetest.Config
	for round := range rounds {
		for _, kind := range []fstreetest.Config{
			config("ext3", 12*mib, "-t", "ext3", "-b", "1024"),
			config("ext4", 12*mib, "-t", "ext4", "-b", "1024"),
			config("ext4-4k", 24*mib, "-t", "ext4", "-b", "4096", "-O", "inline_data"),
			mounted(config("ext4-data", 12*mib, "-t", "ext4", "-b", "1024", "-O", "^metadata_csum"), "data=journal"),
			fastCrashed(config("ext4-fast", 24*mib, "-t", "ext4", "-b", "4096", "-O", "fast_commit", "-J", "size=8")),
		} {
			seed := rng.Uint64()
			kind.Name = fmt.Sprintf("%s-%d-%d", kind.Name, round, seed)
			kind.Large = true
			kind.Tree = fstreetest.Tree{Entries: 20, Plain: true}
			kind.Crash = func(tb testing.TB, dir string) { randomHistory(tb, dir, rand.New(rand.NewPCG(seed, 0))) }
			all = append(all, kind)
		}
	}
	fstreetest.Run(t, all, open)
}

// history is a run of operations on a few names, so that they meet.
type history struct {
	dir string
	rng *rand.Rand
}

func (h *history) name() string {
	name := fmt.Sprintf("name %d", h.rng.IntN(30))
	if dir := h.rng.IntN(6); dir > 0 {
		return filepath.Join(h.dir, fmt.Sprintf("directory %d", dir), name)
	}
	return filepath.Join(h.dir, name)
}

func randomHistory(tb testing.TB, dir string, rng *rand.Rand) {
	tb.Helper()
	h := &history{dir, rng}
	for range 100 + rng.IntN(600) {
		// Most operations fail now and then: the name is there, or not.
		switch name := h.name(); rng.IntN(12) {
		case 0:
			_ = os.Mkdir(filepath.Dir(name), 0o755)
		case 1:
			_ = os.Rename(name, h.name())
		case 2:
			_ = os.Remove(name)
		case 3:
			_ = os.Link(name, h.name())
		case 4:
			_ = os.Symlink(string(bytes.Repeat([]byte("t"), 1+rng.IntN(200))), name)
		case 5:
			_ = os.Truncate(name, rng.Int64N(100000))
		case 6:
			_ = unix.Lsetxattr(name, "user.x", make([]byte, rng.IntN(400)), 0)
		case 7:
			_ = os.RemoveAll(filepath.Dir(name) + "/name 1")
		case 8:
			if rng.IntN(8) == 0 {
				oracle.Run(tb, "sync", "-f", dir)
			}
		default:
			h.write(name)
		}
	}
}

// write changes a part of a file, and perhaps syncs it.
func (h *history) write(name string) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	at := h.rng.Int64N(60000)
	switch h.rng.IntN(5) {
	case 0:
		_ = unix.Fallocate(int(f.Fd()), 0, at, 20000)
	case 1:
		_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, 20000)
	default:
		body := bytes.Repeat([]byte{byte(h.rng.Uint32()), byte(at), 0xC0, 0x3B}, 1+h.rng.IntN(6000))
		_, _ = f.WriteAt(body, at)
	}
	if h.rng.IntN(3) == 0 {
		_ = f.Sync()
	}
}
