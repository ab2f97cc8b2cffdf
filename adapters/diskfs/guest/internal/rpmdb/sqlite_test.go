package rpmdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// TestRecordsOfEverySizeAreThoseOfSQLite has records that just fit into a page,
// and that need one overflow page or many, for small and large pages.
func TestRecordsOfEverySizeAreThoseOfSQLite(t *testing.T) {
	oracle.Tool(t, "sqlite3")
	for _, pageSize := range []int{512, 4096, 65536} {
		file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
		between := fmt.Sprintf("i < 700 OR i %% %d < 40 OR i %% %d > %d", pageSize, pageSize, pageSize-80)
		oracle.Run(t, "sqlite3", file, fmt.Sprintf(`PRAGMA page_size = %d;
			CREATE TABLE other (x); INSERT INTO other VALUES (1);
			CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
			WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 70000)
			INSERT INTO Packages(blob) SELECT randomblob(i) FROM n WHERE i > 0 AND i < %d AND (%s);`, pageSize, 5*min(pageSize, 14000), between))
		want := strings.Split(strings.TrimSpace(oracle.Run(t, "sqlite3", file, "SELECT hex(blob) FROM Packages ORDER BY hnum")), "\n")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for blob, err := range blobs(section(b), nil) {
			if err != nil {
				t.Fatalf("pages of %d: %v", pageSize, err)
			}
			if got := fmt.Sprintf("%X", blob); n >= len(want) || got != want[n] {
				t.Fatalf("pages of %d: record %d of %d bytes is another", pageSize, n, len(blob))
			}
			n++
		}
		if n != len(want) {
			t.Errorf("pages of %d: %d records, sqlite %d", pageSize, n, len(want))
		}
	}
}

func TestNumbersOfSQLite(t *testing.T) {
	for kind, want := range []uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, 0, 0, 1, 1, 2} {
		if got := columnSize(uint64(kind)); got != want {
			t.Errorf("type %d has %d bytes, want %d", kind, got, want)
		}
	}
	for _, c := range []struct {
		b []byte
		v uint64
		n int
	}{
		{[]byte{0x7f, 9}, 127, 1},
		{[]byte{0x81, 0x00}, 128, 2},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1<<64 - 1, 9},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x05}, 5, 9},
		{[]byte{0x80}, 0, 0},
		{nil, 0, 0},
	} {
		if v, n := varint(c.b); v != c.v || n != c.n {
			t.Errorf("%x: %d in %d bytes", c.b, v, n)
		}
	}
}
