package qedfile_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
	"github.com/qedfs/qedfs/qedfile"
)

// overlay is an empty image of 1 MiB over a backing file.
func overlay(backing string) layout {
	l := small()
	l.entries = nil
	l.features, l.backingOffset, l.backingSize, l.backing = qedfile.FeatureBacking, 64, uint32(len(backing)), backing
	return l
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// firstSector opens an image with a policy and reads what its backing chain
// has at offset 0.
func firstSector(name string, policy func(string) qedfile.BackingFunc) (string, error) {
	m, err := qedfile.Open(name, &qedfile.Options{Backing: policy(name)})
	if err != nil {
		return "", err
	}
	defer m.Close()
	p := make([]byte, 512)
	if _, err := m.ReadAt(p, 0); err != nil {
		return "", err
	}
	return strings.TrimRight(string(p), "\x00"), nil
}

func TestBackingNamesAreFollowedAsThePolicySays(t *testing.T) {
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	outside := writeFile(t, filepath.Join(dir, "outside.raw"), []byte("outside"))
	writeFile(t, filepath.Join(images, "base.raw"), []byte("inside"))
	writeFile(t, filepath.Join(images, "a:b"), []byte("colon"))
	writeFile(t, filepath.Join(images, "sub", "deep.raw"), []byte("deep"))
	writeFile(t, filepath.Join(images, "sub", "mid.qed"), overlay("deep.raw").bytes())
	writeFile(t, filepath.Join(images, "sub", "up.qed"), overlay("../base.raw").bytes())
	writeFile(t, filepath.Join(images, "sub", "out.qed"), overlay("../../outside.raw").bytes())
	for link, target := range map[string]string{"link": "base.raw", "escape": "../outside.raw", "absolute": outside} {
		if err := os.Symlink(target, filepath.Join(images, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	denied := qedfile.ErrBackingDenied
	anything := errors.New("any error")
	for _, test := range []struct {
		name         string
		sibling, any any // the content, or the error
	}{
		{"base.raw", "inside", "inside"},
		{"./base.raw", "inside", "inside"},
		{"sub/../base.raw", "inside", "inside"},
		{"base.raw\x00garbage", "inside", "inside"},
		{"./a:b", "colon", "colon"},
		{"sub/deep.raw", "deep", "deep"},
		{"sub/mid.qed", "deep", "deep"},
		{"sub/up.qed", "inside", "inside"},
		{"sub/out.qed", denied, "outside"},
		{"link", "inside", "inside"},
		{"escape", anything, "outside"},
		{"absolute", anything, "outside"},
		{"../outside.raw", denied, "outside"},
		{"../images/base.raw", denied, "inside"},
		{outside, denied, "outside"},
		{"file:base.raw", "inside", "inside"},
		{filepath.Join(images, "base.raw"), "inside", "inside"},
		{"file:" + filepath.Join(images, "sub", "mid.qed"), "deep", "deep"},
		{filepath.Join(images, "escape"), anything, "outside"},
		{images + "/sub/../../outside.raw", denied, "outside"},
		{images, denied, anything},
		{"file:" + outside, denied, "outside"},
		{"a:b", denied, denied},
		{"nbd:localhost:10809", denied, denied},
		{"http://localhost/x", denied, denied},
		{"fat:rw:/etc", denied, denied},
		{`json:{"driver":"file","filename":"base.raw"}`, denied, denied},
		{"sub", denied, denied},
		{"missing", fs.ErrNotExist, fs.ErrNotExist},
	} {
		t.Run(strings.ReplaceAll(test.name, "/", "|"), func(t *testing.T) {
			top := writeFile(t, filepath.Join(images, "top.qed"), overlay(test.name).bytes())
			for policy, want := range map[string]any{"sibling": test.sibling, "any": test.any} {
				open := qedfile.SiblingBacking
				if policy == "any" {
					open = qedfile.AnyBacking
				}
				got, err := firstSector(top, open)
				wantErr, fails := want.(error)
				switch {
				case fails && (err == nil || wantErr != anything && !errors.Is(err, wantErr)):
					t.Errorf("%s: %q, %v; want %v", policy, got, err, wantErr)
				case !fails && (err != nil || got != want):
					t.Errorf("%s: %q, %v; want %q", policy, got, err, want)
				}
			}
		})
	}
}

func TestBackingPipesAndDevicesAreNotOpened(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs mkfifo and /dev/zero")
	}
	dir := t.TempDir()
	oracle.Run(t, "mkfifo", filepath.Join(dir, "pipe"))
	for _, name := range []string{"pipe", "/dev/zero"} {
		top := writeFile(t, filepath.Join(dir, "top.qed"), overlay(name).bytes())
		if _, err := firstSector(top, qedfile.AnyBacking); !errors.Is(err, qedfile.ErrBackingDenied) {
			t.Errorf("%s: %v, want ErrBackingDenied", name, err)
		}
	}
}

func TestBackingLoopsAndDeepChainsAreRefused(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "self.qed"), overlay("self.qed").bytes())
	writeFile(t, filepath.Join(dir, "a.qed"), overlay("b.qed").bytes())
	writeFile(t, filepath.Join(dir, "b.qed"), overlay("c.qed").bytes())
	writeFile(t, filepath.Join(dir, "c.qed"), overlay("b.qed").bytes())
	if err := os.Link(filepath.Join(dir, "self.qed"), filepath.Join(dir, "hard.qed")); err != nil {
		t.Log("no hard links here:", err)
	} else {
		writeFile(t, filepath.Join(dir, "self.qed"), overlay("hard.qed").bytes())
	}
	for i := range 18 {
		name := filepath.Join(dir, fmt.Sprintf("n%d.qed", i))
		writeFile(t, name, overlay(fmt.Sprintf("n%d.qed", i-1)).bytes())
	}
	writeFile(t, filepath.Join(dir, "n0.qed"), []byte("bottom"))
	for name, want := range map[string]error{
		"self.qed": qedfile.ErrBackingLoop, "a.qed": qedfile.ErrBackingLoop,
		"n16.qed": nil, "n17.qed": qedfile.ErrBackingLoop,
	} {
		content, err := firstSector(filepath.Join(dir, name), qedfile.SiblingBacking)
		if !errors.Is(err, want) || want == nil && content != "bottom" {
			t.Errorf("%s: %q, %v; want %v", name, content, err, want)
		}
	}
}

func TestForeignFormatsBeneathAreRefusedByName(t *testing.T) {
	dir := t.TempDir()
	head := func(s string) []byte { return append([]byte(s), make([]byte, 2048-len(s))...) }
	tail := func(s string) []byte {
		return append(make([]byte, 2048-512), append([]byte(s), make([]byte, 512-len(s))...)...)
	}
	for format, content := range map[string][]byte{
		"qcow2": head("QFI\xfb\x00\x00\x00\x03"), "qcow": head("QFI\xfb\x00\x00\x00\x01"),
		"vmdk": head("KDMV"), "vdi": head(strings.Repeat("\x00", 64) + "\x7f\x10\xda\xbe"),
		"vhdx": head("vhdxfile"), "vpc": tail("conectix"), "luks": head("LUKS\xba\xbe"), "dmg": tail("koly"),
		"parallels": head("WithoutFreeSpace"), "bochs": head("Bochs Virtual HD Image"),
	} {
		writeFile(t, filepath.Join(dir, "base"), content)
		l := overlay("base")
		top := writeFile(t, filepath.Join(dir, "top.qed"), l.bytes())
		_, err := firstSector(top, qedfile.SiblingBacking)
		if !errors.Is(err, qedfile.ErrUnsupported) || !strings.Contains(err.Error(), qedfile.FormatTitle(format)) {
			t.Errorf("%s: %v, want ErrUnsupported and the format's name", format, err)
		}
		l.features |= qedfile.FeatureNoProbe
		writeFile(t, top, l.bytes())
		if _, err := firstSector(top, qedfile.SiblingBacking); err != nil {
			t.Errorf("%s with NO_PROBE: %v", format, err)
		}
	}
}

func TestNoProbeReadsAnImageAsRaw(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "base"), small().bytes())
	l := overlay("base")
	top := writeFile(t, filepath.Join(dir, "top.qed"), l.bytes())
	if got, err := firstSector(top, qedfile.SiblingBacking); got != "" || err != nil {
		t.Errorf("probed: %q, %v; want the zeroes of the QED disk", got, err)
	}
	l.features |= qedfile.FeatureNoProbe
	writeFile(t, top, l.bytes())
	if got, err := firstSector(top, qedfile.SiblingBacking); !strings.HasPrefix(got, "QED\x00") || err != nil {
		t.Errorf("as raw: %q, %v; want the header", got, err)
	}
}

func TestReadHeaderDoesNotNeedTheBackingFile(t *testing.T) {
	l := overlay("missing.raw")
	l.features |= qedfile.FeatureNoProbe
	h, err := qedfile.ReadHeader(l.storage())
	if err != nil {
		t.Fatal(err)
	}
	if h.BackingFile != "missing.raw" || !h.BackingRaw() || h.ImageSize != 1<<20 {
		t.Errorf("header is %+v", h)
	}
}

// shout is a disk of a caller's own, that says how far it is read.
type shout struct {
	*strings.Reader
	closed bool
}

func (s *shout) Close() error { s.closed = true; return nil }

func TestACallersDiskCanBeBacking(t *testing.T) {
	d := &shout{Reader: strings.NewReader(strings.Repeat("x", 1000))}
	m, err := overlay("something").open(&qedfile.Options{Backing: func(ref qedfile.BackingRef) (qedfile.Disk, error) {
		if ref.Name != "something" || ref.Raw {
			t.Errorf("asked for %+v", ref)
		}
		return d, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	if _, err := io.ReadFull(m, p); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimRight(string(p), "\x00"); len(got) != 1000 {
		t.Errorf("%d bytes came from below, want 1000", len(got))
	}
	m.Close()
	if !d.closed {
		t.Error("the backing disk was not closed")
	}
}
