package bitlocker

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

const committed = "../../../testdata/bitlocker.qed"

// disk is a disk of two partitions with FAT in BitLocker: one is locked, of which
// only used space is encrypted, the other is suspended.
func disk(t *testing.T) []byte {
	t.Helper()
	const start = 1 << 20
	b := make([]byte, start+2*volumeSize)
	for i, w := range []*encrypter{locked(), volume(0x8000)} {
		w.used = 32 << 10
		at := start + i*volumeSize
		copy(b[at:], w.encrypt(t, fat(t, []string{"LOCKED", "SUSPENDED"}[i])))
		entry := b[446+16*i:]
		entry[4] = 7
		le.PutUint32(entry[8:], uint32(at/512))
		le.PutUint32(entry[12:], volumeSize/512)
	}
	copy(b[510:], "\x55\xaa")
	return b
}

// fat is a filesystem with one file.
func fat(t *testing.T, label string) []byte {
	t.Helper()
	dir := t.TempDir()
	image, hello := filepath.Join(dir, "image"), filepath.Join(dir, "hello.txt")
	if err := os.WriteFile(hello, []byte("hello from "+label+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mkfs.fat", "-C", "-i", "12345678", "-n", label, "--invariant", image, "1024")
	oracle.Run(t, "mcopy", "-i", image, hello, "::hello.txt")
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is committed stays what the encrypter makes: QEDFS_UPDATE_TESTDATA=1 makes it
// anew. Times of files differ.
func TestTheCommittedDiskIsWhatTheEncrypterMakes(t *testing.T) {
	if os.Getenv("QEDFS_UPDATE_TESTDATA") == "1" {
		commit(t, disk(t))
	}
	q, err := qedfile.Open(committed, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	b, err := io.ReadAll(io.NewSectionReader(q, 0, q.Size()))
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []string{testRecovery, ""} {
		v, err := unlock(t, b[1<<20+i*volumeSize:][:volumeSize], []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		if got := all(t, v); !bytes.Contains(got, []byte("hello from "+[]string{"LOCKED", "SUSPENDED"}[i])) {
			t.Errorf("volume %d does not say hello", i)
		}
	}
}

func commit(t *testing.T, b []byte) {
	t.Helper()
	if err := os.Remove(committed); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	q, err := qedfile.Create(committed, int64(len(b)), &qedfile.CreateOptions{ClusterSize: 4096, TableSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += 4096 {
		if part := b[at : at+4096]; !bytes.Equal(part, make([]byte, 4096)) {
			if _, err := q.WriteAt(part, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}
