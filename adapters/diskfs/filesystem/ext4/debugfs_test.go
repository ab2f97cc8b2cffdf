package ext4_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// journaled is an image with a file of 20 blocks, into whose journal debugfs
// writes.
type journaled struct {
	dir, image string
	body       []byte
	first      int // block of the file
}

func newJournaled(t *testing.T, features string) *journaled {
	t.Helper()
	j := &journaled{dir: t.TempDir()}
	j.image = filepath.Join(j.dir, "image")
	rng := oracle.Seed(t)
	for range 20 << 10 {
		j.body = append(j.body, byte(rng.Uint32()))
	}
	source := filepath.Join(j.dir, "source")
	for _, err := range []error{
		os.Mkdir(source, 0o755),
		os.WriteFile(filepath.Join(source, "file"), j.body, 0o600),
		os.WriteFile(j.image, make([]byte, 8*mib), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", features, "-d", source, j.image)
	j.first = j.bmap(t, "file", 0)
	return j
}

// bmap asks for a block of a file.
func (j *journaled) bmap(t *testing.T, file string, n int) int {
	t.Helper()
	out, err := exec.Command(oracle.Tool(t, "debugfs"), "-R", fmt.Sprintf("bmap %s %d", file, n), j.image).Output()
	if err != nil {
		t.Fatal(err)
	}
	block, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// debugfs runs commands on the image.
func (j *journaled) debugfs(t *testing.T, commands ...string) {
	t.Helper()
	script := filepath.Join(j.dir, "commands")
	if err := os.WriteFile(script, []byte(strings.Join(commands, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "debugfs", "-w", "-f", script, j.image)
}

// blocks makes a file of blocks of one byte each, and returns its name.
func (j *journaled) blocks(t *testing.T, name, fill string) string {
	t.Helper()
	file := filepath.Join(j.dir, name)
	var body []byte
	for _, c := range []byte(fill) {
		body = append(body, bytes.Repeat([]byte{c}, 1024)...)
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// read opens the image and reads the file.
func (j *journaled) read(t *testing.T) (body []byte, notes []string) {
	t.Helper()
	image, err := os.ReadFile(j.image)
	if err != nil {
		t.Fatal(err)
	}
	vol, err := openImage(image)
	if err != nil {
		t.Fatal(err)
	}
	body, err = fs.ReadFile(vol, "file")
	if err != nil {
		t.Fatal(err)
	}
	return body, vol.Info().Notes
}

func (j *journaled) writeJournal(t *testing.T, version string) {
	t.Helper()
	b := func(n int) int { return j.first + n }
	j.debugfs(t,
		"journal_open -c -v "+version,
		fmt.Sprintf("journal_write -b %d,%d,%d %s", b(1), b(2), b(3), j.blocks(t, "three", "ABC")),
		fmt.Sprintf("journal_write -b %d %s", b(5), j.blocks(t, "revoked", "D")),
		fmt.Sprintf("journal_write -r %d", b(5)),
		fmt.Sprintf("journal_write -b %d,%d %s", b(2), b(7), j.blocks(t, "two", "EF")),
		fmt.Sprintf("journal_write -b %d -c %s", b(8), j.blocks(t, "uncommitted", "G")),
		"journal_close")
}

// The kernel writes no version 2 any more, so debugfs has to.
func TestJournalsWrittenByDebugfsAreReplayedAsTheKernelDoes(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		for _, features := range []string{"64bit", "^64bit"} {
			t.Run(version+" "+features, func(t *testing.T) {
				oracle.Root(t)
				j := newJournaled(t, features)
				j.writeJournal(t, version)
				got, notes := j.read(t)
				mnt := t.TempDir()
				oracle.Run(t, "mount", "-t", "ext4", "-o", "loop", j.image, mnt)
				want, err := os.ReadFile(filepath.Join(mnt, "file"))
				oracle.Run(t, "umount", mnt)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Equal(want, j.body) {
					t.Fatal("the kernel replayed nothing")
				}
				if !bytes.Equal(got, want) {
					t.Error("not what the kernel shows")
				}
				if len(notes) != 1 || !strings.Contains(notes[0], "replayed in memory (4 blocks)") {
					t.Errorf("notes %q", notes)
				}
			})
		}
	}
}

// e2fsck's recovery is the kernel's, and it writes what comes before the damage.
// The kernel alone takes a superblock that is damaged for no journal at all, and
// a commit as whole if only what follows its fields is wrong.
func TestADamagedJournalIsReplayedAsFarAsE2fsckDoes(t *testing.T) {
	blocks := map[string]struct {
		block, off int
		note       string
	}{
		"descriptor of the first transaction": {1, 0x40, "wrong checksum in transaction 1"},
		"contents":                            {2, 0x40, "wrong checksum of the contents"},
		"commit of the first transaction":     {5, 0x30, "wrong checksum of transaction 1"},
		"descriptor of the second":            {6, 0x40, "wrong checksum in transaction 2"},
		"contents that are revoked":           {7, 0x40, "replayed in memory (4 blocks)"},
		"commit of the second":                {8, 0x30, "wrong checksum of transaction 2"},
		"revocation":                          {9, 0x14, "wrong checksum in transaction 3"},
		"commit of the revocation":            {10, 0x30, "wrong checksum of transaction 3"},
	}
	for _, version := range []string{"2", "3"} {
		for name, at := range blocks {
			t.Run(version+" "+name, func(t *testing.T) {
				j := newJournaled(t, "64bit")
				j.writeJournal(t, version)
				j.damage(t, at.block, at.off)
				got, notes := j.read(t)
				// It ends with an error, as it should.
				_ = exec.Command(oracle.Tool(t, "e2fsck"), "-y", "-E", "journal_only", j.image).Run()
				image, err := os.ReadFile(j.image)
				if err != nil {
					t.Fatal(err)
				}
				if want := image[j.first*1024:][:len(j.body)]; !bytes.Equal(got, want) {
					t.Error("not what e2fsck makes of it")
				}
				if len(notes) != 1 || !strings.Contains(notes[0], at.note) {
					t.Errorf("notes %q", notes)
				}
			})
		}
	}
}

func TestADamagedSuperblockOfTheJournalLeavesItOut(t *testing.T) {
	j := newJournaled(t, "64bit")
	j.writeJournal(t, "3")
	j.damage(t, 0, 0x40)
	got, notes := j.read(t)
	if !bytes.Equal(got, j.body) {
		t.Error("not what is there without the journal")
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "journal could not be replayed") {
		t.Errorf("notes %q", notes)
	}
}

func TestACommitThatWasWrittenInPartCounts(t *testing.T) {
	j := newJournaled(t, "64bit")
	j.writeJournal(t, "3")
	want, _ := j.read(t)
	j.damage(t, 5, 0x40)
	if got, notes := j.read(t); !bytes.Equal(got, want) {
		t.Errorf("not as with the whole of it: %q", notes)
	}
}

// damage changes a byte of a block of the journal.
func (j *journaled) damage(t *testing.T, block, off int) {
	t.Helper()
	image, err := os.ReadFile(j.image)
	if err != nil {
		t.Fatal(err)
	}
	image[j.bmap(t, "<8>", block)*1024+off]++
	if err := os.WriteFile(j.image, image, 0o600); err != nil {
		t.Fatal(err)
	}
}
