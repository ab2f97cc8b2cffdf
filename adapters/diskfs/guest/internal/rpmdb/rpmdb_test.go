package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".zst") {
		return b
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

func section(b []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

// list is what rpm -qa prints with the query of make.sh, and the errors.
func list(db, wal *io.SectionReader) (lines []string, errs []error) {
	for p, err := range Packages(db, wal) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lines = append(lines, strings.Join([]string{p.Name, p.EVR(), p.Arch, p.SourceRPM}, " "))
	}
	slices.Sort(lines)
	return lines, errs
}

func lines(b []byte) []string {
	l := strings.Split(strings.TrimSpace(string(b)), "\n")
	slices.Sort(l)
	return l
}

// headers are the blobs of the Berkeley DB.
func headers(t testing.TB) (all [][]byte) {
	for b, err := range blobs(section(testdata(t, "Packages.zst")), nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(b))
	}
	return all
}

// ndbOf writes an ndb as rpm's lib/backend/ndb/rpmpkg.c does.
func ndbOf(headers [][]byte) []byte {
	const pages = 2
	db := make([]byte, pages*ndbPage)
	copy(db, "RpmP")
	le.PutUint32(db[8:], 7)
	le.PutUint32(db[12:], pages)
	for i := 32; i < len(db); i += ndbSlot {
		copy(db[i:], "Slot")
	}
	for i, h := range headers {
		slot := db[ndbSlot*(2+i*17):] // free ones lie between, and some in the next page
		blocks := (ndbHead + len(h) + ndbTail + ndbBlock - 1) / ndbBlock
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(db)/ndbBlock))
		le.PutUint32(slot[12:], uint32(blocks))
		blob := make([]byte, blocks*ndbBlock)
		copy(blob, "BlbS")
		le.PutUint32(blob[4:], uint32(i+1))
		le.PutUint32(blob[12:], uint32(len(h)))
		copy(blob[ndbHead:], h)
		tail := blob[len(blob)-ndbTail:]
		le.PutUint32(tail[4:], uint32(len(h)))
		copy(tail[8:], "BlbE")
		db = append(db, blob...)
	}
	return db
}

// bigEndian turns the numbers of a Berkeley DB around.
func bigEndian(db []byte) []byte {
	db = bytes.Clone(db)
	swap := func(at, n int) { slices.Reverse(db[at : at+n]) }
	size := int(le.Uint32(db[20:]))
	for p := 0; p < len(db); p += size {
		kind, entries := db[p+25], int(le.Uint16(db[p+20:]))
		for _, at := range []int{8, 12, 16} {
			swap(p+at, 4)
		}
		if p == 0 {
			for _, at := range []int{20, 28, 32} {
				swap(at, 4)
			}
			continue
		}
		swap(p+20, 2)
		swap(p+22, 2)
		if kind != pageHash && kind != pageUnsorted {
			continue
		}
		for i := range entries {
			at := int(le.Uint16(db[p+bdbHead+2*i:]))
			if item := db[p+at]; item == itemOffPage {
				swap(p+at+4, 4)
				swap(p+at+8, 4)
			}
			swap(p+bdbHead+2*i, 2)
		}
	}
	return db
}

// unsorted has the type of pages that were not sorted yet.
func unsorted(db []byte) []byte {
	db = bytes.Clone(db)
	for i, kind := range pageTypes(db) {
		if kind == pageHash {
			db[i*4096+25] = pageUnsorted
		}
	}
	return db
}

func TestDatabasesAreWhatRPMLists(t *testing.T) {
	want, logged := lines(testdata(t, "list.txt")), lines(testdata(t, "list-logged.txt"))
	bdb := testdata(t, "Packages.zst")
	for name, c := range map[string]struct {
		db, wal []byte
		want    []string
	}{
		"Berkeley DB":                 {bdb, nil, want},
		"Berkeley DB of a big-endian": {bigEndian(bdb), nil, want},
		"Berkeley DB of version 8":    {unsorted(bdb), nil, want},
		"ndb":                         {ndbOf(headers(t)), nil, want},
		"SQLite":                      {testdata(t, "logged.zst"), nil, want},
		"SQLite and its log":          {testdata(t, "logged.zst"), testdata(t, "logged-wal.zst"), logged},
		"SQLite and an empty log":     {testdata(t, "logged.zst"), []byte{}, want},
	} {
		var wal *io.SectionReader
		if c.wal != nil {
			wal = section(c.wal)
		}
		if got, errs := list(section(c.db), wal); !slices.Equal(got, c.want) || errs != nil {
			t.Errorf("%s: %d packages %q, %v", name, len(got), got, errs)
		}
	}
}

// TestALogCountsUpToItsLastCommit cuts and damages the log.
func TestALogCountsUpToItsLastCommit(t *testing.T) {
	db, wal := testdata(t, "logged.zst"), testdata(t, "logged-wal.zst")
	want := lines(testdata(t, "list.txt"))
	both := lines(testdata(t, "list-logged.txt"))
	with := func(change func([]byte) []byte) []string {
		got, errs := list(section(db), section(change(bytes.Clone(wal))))
		if errs != nil {
			t.Error(errs)
		}
		return got
	}
	if got := with(func(b []byte) []byte { return b[:len(b)-1] }); slices.Equal(got, both) || slices.Equal(got, want) || len(got) != len(want) {
		t.Errorf("cut off after the first commit: %q", got) // one less, one more
	}
	for name, change := range map[string]func([]byte) []byte{
		"no magic":          func(b []byte) []byte { b[0] ^= 1; return b },
		"sum of the header": func(b []byte) []byte { b[24] ^= 1; return b },
		"sum of a frame":    func(b []byte) []byte { b[walHeader+16] ^= 1; return b },
		"bytes of a page":   func(b []byte) []byte { b[walHeader+walFrame+100] ^= 1; return b },
		"salt of a frame":   func(b []byte) []byte { b[walHeader+8] ^= 1; return b },
		"no commit":         func(b []byte) []byte { return b[:walHeader+walFrame+4096] },
		"only a header":     func(b []byte) []byte { return b[:10] },
	} {
		if got := with(change); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestDamageIsAnErrorBesideTheRest(t *testing.T) {
	n := len(lines(testdata(t, "list.txt")))
	ndb, bdb, sqlite := ndbOf(headers(t)), testdata(t, "Packages.zst"), testdata(t, "logged.zst")
	blob := 2 * ndbPage
	tail := blob + (ndbHead+len(headers(t)[0])+ndbTail+ndbBlock-1)/ndbBlock*ndbBlock - ndbTail
	hash := slices.Index(pageTypes(bdb), pageHash) * 4096
	overflow := slices.Index(pageTypes(bdb), pageOverflow) * 4096
	leaf := slices.IndexFunc(pagesOf(sqlite, 4096), func(p []byte) bool { return p[0] == 13 && bytes.Contains(p, []byte("noarch")) }) * 4096
	for name, c := range map[string]struct {
		db   []byte
		at   int
		to   byte
		left int // packages that are listed still
	}{
		"ndb: version":               {ndb, 4, 1, 0},
		"ndb: a slot":                {ndb, 32, 'x', 0},
		"ndb: more slots than bytes": {ndb, 14, 1, n}, // the third page has no slots
		"ndb: a blob":                {ndb, blob, 'x', n - 1},
		"ndb: its number":            {ndb, blob + 4, 9, n - 1},
		"ndb: its length":            {ndb, blob + 13, 0xff, n - 1},
		"ndb: its blocks":            {ndb, 32 + 12, 1, n - 1},
		"ndb: its end":               {ndb, tail + 8, 'x', n - 1},
		"ndb: its length at the end": {ndb, tail + 7, 1, n - 1},
		"ndb: its place":             {ndb, 32 + 11, 0xff, n - 1},
		"bdb: page size":             {bdb, 21, 0x11, 0},
		"bdb: encrypted":             {bdb, 24, 1, 0},
		"bdb: a btree":               {bdb, 25, 9, 0},
		"bdb: sums on pages":         {bdb, 26, 1, 0},
		"bdb: entries":               {bdb, hash + 21, 0xff, -1},
		"bdb: odd entries":           {bdb, hash + 20, bdb[hash+20] - 1, -1},
		"bdb: an item":               {bdb, hash + bdbHead + 7, 0xff, -1},
		"bdb: an overflow page":      {bdb, overflow + 25, 5, n - 1},
		"bdb: that is empty":         {bdb, overflow + 23, 0xff, n - 1},
		"sqlite: page size":          {sqlite, 16, 0x11, 0},
		"sqlite: a leaf's type":      {sqlite, leaf, 7, -1},
		"sqlite: a leaf's cells":     {sqlite, leaf + 3, 0xff, -1},
		"sqlite: a cell":             {sqlite, leaf + 8, 0xff, n - 1},
	} {
		db := bytes.Clone(c.db)
		if db[c.at] == c.to {
			t.Errorf("%s: it is %d already", name, c.to)
		}
		db[c.at] = c.to
		got, errs := list(section(db), nil)
		if len(errs) == 0 || c.left >= 0 && len(got) != c.left || len(got) == n && !strings.Contains(name, "more slots") {
			t.Errorf("%s: %d of %d packages, %v", name, len(got), n, errs)
		}
		for _, err := range errs {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, b := range map[string][]byte{"empty": {}, "text": []byte("hello"), "cut off": sqlite[:3000]} {
		if got, errs := list(section(b), nil); len(got) != 0 || len(errs) != 1 || !errors.Is(errs[0], ErrFormat) {
			t.Errorf("%s: %q, %v", name, got, errs)
		}
	}
}

func pagesOf(db []byte, size int) (all [][]byte) {
	for p := range slices.Chunk(db, size) {
		all = append(all, p)
	}
	return all
}

func pageTypes(db []byte) (types []byte) {
	for _, p := range pagesOf(db, 4096) {
		types = append(types, p[25])
	}
	return types
}

// TestWhatGoesInCirclesEnds has a database in which one chain of pages is the
// header of thousands of packages, and a tree that leads back to itself.
func TestWhatGoesInCirclesEnds(t *testing.T) {
	db := testdata(t, "Packages.zst")
	overflow := slices.Index(pageTypes(db), pageOverflow) * 4096
	le.PutUint32(db[overflow+16:], uint32(overflow/4096)) // its own successor
	page := make([]byte, 4096)
	page[25] = pageHash
	const pairs = 200
	binary.LittleEndian.PutUint16(page[20:], 2*pairs)
	for i := range pairs {
		key, value := 4096-(i+1)*17+12, 4096-(i+1)*17
		le.PutUint16(page[bdbHead+4*i:], uint16(key))
		le.PutUint16(page[bdbHead+4*i+2:], uint16(value))
		copy(page[key:], []byte{itemInline, 1, 0, 0, 0})
		page[value] = itemOffPage
		le.PutUint32(page[value+4:], uint32(overflow/4096))
		le.PutUint32(page[value+8:], maxBlob-1)
	}
	hash := slices.Index(pageTypes(db), pageHash) * 4096
	copy(db[hash:], page)
	_, errs := list(section(db), nil)
	if i := slices.IndexFunc(errs, func(err error) bool { return errors.Is(err, fstree.ErrTooLarge) }); i != len(errs)-1 {
		t.Errorf("a chain in a circle: %d errors, %d the last: %v", len(errs), i, errs[len(errs)-1])
	}

	db = testdata(t, "logged.zst")
	for i, p := range pagesOf(db, 4096) {
		if i > 0 && p[0] == 5 {
			be.PutUint32(p[8:], uint32(i+1))
		}
	}
	if _, errs = list(section(db), nil); len(errs) == 0 || !strings.Contains(errs[len(errs)-1].Error(), "again") {
		t.Errorf("a tree in a circle: %v", errs)
	}
}

func TestHeadersAreReadAsRPMDoes(t *testing.T) {
	entry := func(tag, kind, at uint32) []byte {
		b := make([]byte, 16)
		be.PutUint32(b, tag)
		be.PutUint32(b[4:], kind)
		be.PutUint32(b[8:], at)
		be.PutUint32(b[12:], 1)
		return b
	}
	header := func(store string, entries ...[]byte) []byte {
		b := be.AppendUint32(nil, uint32(len(entries)))
		b = be.AppendUint32(b, uint32(len(store)))
		return append(append(b, bytes.Join(entries, nil)...), store...)
	}
	const store = "name\x00other\x00\x00\x00\x00\x07"
	name := entry(tagName, typeString, 0)
	for what, c := range map[string]struct {
		b    []byte
		want Package
		bad  bool
	}{
		"a later one counts":        {header(store, name, entry(tagName, typeString, 5)), Package{Name: "other"}, false},
		"an epoch":                  {header(store, name, entry(tagEpoch, typeInt32, 11)), Package{Name: "name", Epoch: "7"}, false},
		"an epoch past the end":     {header(store, name, entry(tagEpoch, typeInt32, 12)), Package{Name: "name"}, false},
		"an epoch that is text":     {header(store, name, entry(tagEpoch, typeString, 11)), Package{Name: "name"}, false},
		"a text past the end":       {header(store, name, entry(tagArch, typeString, 99)), Package{Name: "name"}, false},
		"a number for a text":       {header(store, name, entry(tagArch, typeInt32, 5)), Package{Name: "name"}, false},
		"a text without an end":     {header("name", name), Package{Name: "name"}, false},
		"no name":                   {header(store), Package{}, true},
		"an empty name":             {header(store, entry(tagName, typeString, 4)), Package{}, true},
		"more entries than bytes":   {header(store, name)[:20], Package{}, true},
		"a store that is cut off":   {header(store, name)[:30], Package{}, true},
		"less than its two numbers": {[]byte{0, 0, 0}, Package{}, true},
	} {
		p, err := parseHeader(c.b)
		if (err != nil) != c.bad || err == nil && *p != c.want {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	for rpm, want := range map[string]string{
		"bash-5.2-1.fc39.src.rpm": "bash", "java-1.8.0-openjdk-1.8.0.412-1.nosrc.rpm": "java-1.8.0-openjdk", "": "", "x.src.rpm": "",
	} {
		if got := (&Package{SourceRPM: rpm}).Source(); got != want {
			t.Errorf("%s: %q", rpm, got)
		}
	}
}

var warnings = regexp.MustCompile(`(?m)^warning: .*\n`)

// TestDatabasesAreWhatTheInstalledRPMLists has rpm itself read what is committed.
func TestDatabasesAreWhatTheInstalledRPMLists(t *testing.T) {
	oracle.Tool(t, "rpm")
	for _, c := range []struct{ backend, name, file, wal string }{
		{"bdb_ro", "Packages", "Packages.zst", ""},
		{"sqlite", "rpmdb.sqlite", "logged.zst", ""},
		{"sqlite", "rpmdb.sqlite", "logged.zst", "logged-wal.zst"},
	} {
		dir := t.TempDir()
		db := testdata(t, c.file)
		files := map[string][]byte{c.name: db}
		var wal *io.SectionReader
		if c.wal != "" {
			files[c.name+"-wal"] = testdata(t, c.wal)
			wal = section(files[c.name+"-wal"])
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out := oracle.Run(t, "rpm", "--define", "_db_backend "+c.backend, "--dbpath", dir, "-qa",
			"--qf", `%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\n`)
		if got, errs := list(section(db), wal); !slices.Equal(got, lines([]byte(warnings.ReplaceAllString(out, "")))) || errs != nil {
			t.Errorf("%s: %q, %v; rpm: %s", c.file, got, errs, out)
		}
	}
}

func FuzzPackages(f *testing.F) {
	f.Add(testdata(f, "Packages.zst"), []byte{})
	f.Add(bigEndian(testdata(f, "Packages.zst")), []byte{})
	f.Add(ndbOf(headers(f)), []byte{})
	f.Add(testdata(f, "logged.zst"), testdata(f, "logged-wal.zst"))
	f.Fuzz(func(t *testing.T, db, wal []byte) {
		n := 0
		for p, err := range Packages(section(db), section(wal)) {
			if err == nil && p.Name == "" {
				t.Error("a package without a name")
			}
			if n++; n > 10000 {
				break
			}
		}
	})
}
