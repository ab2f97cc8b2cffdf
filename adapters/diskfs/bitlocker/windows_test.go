package bitlocker_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/bitlocker"
)

// The images that cryptsetup is tested with (tests/bitlk-images.tar.xz of its
// source) were made by Windows 7 to 11. They are not ours to commit: the variable
// names the directory that they were unpacked to.
func TestVolumesThatWindowsMade(t *testing.T) {
	dir := os.Getenv("QEDFS_BITLK_IMAGES")
	if dir == "" {
		t.Skip("QEDFS_BITLK_IMAGES names no directory with cryptsetup's images")
	}
	for name, want := range imagesConf(t, dir) {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, name+".img"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			c, err := bitlocker.Open(f, info.Size())
			if want["SHA256SUM"] == "" {
				if !errors.Is(err, bitlocker.ErrUnsupported) || !strings.Contains(err.Error(), "encryption on write") {
					t.Fatal(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := c.Info()
			if got.Cipher != want["CIPHER"] || got.UUID != want["GUID"] || len(got.Notes) > 0 {
				t.Errorf("%+v", got)
			}
			keys := [][]byte{[]byte(want["RP"]), []byte("a letter:\r\n\r\n\t" + want["RP"] + "\r\n")}
			if want["PW"] != "" {
				keys = append(keys, []byte(want["PW"]))
			}
			if id := want["SK_VMK_GUID"]; id != "" {
				key, err := os.ReadFile(filepath.Join(dir, strings.ToUpper(id)+".BEK"))
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key)
			}
			for i, key := range keys {
				v, err := c.Unlock(context.Background(), key)
				if err != nil {
					t.Errorf("key %d: %v", i, err)
					continue
				}
				h := sha256.New()
				if _, err := io.Copy(h, io.NewSectionReader(v, 0, v.Size())); err != nil {
					t.Error(err)
				}
				if sum := fmt.Sprintf("%x", h.Sum(nil)); sum != want["SHA256SUM"] {
					t.Errorf("key %d: %s", i, sum)
				}
			}
			if _, err := c.Unlock(context.Background(), []byte("wrong")); !errors.Is(err, bitlocker.ErrKey) {
				t.Error(err)
			}
		})
	}
}

// imagesConf reads what is known of the images.
func imagesConf(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "images.conf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, now := map[string]map[string]string{}, map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "["); ok {
			now = map[string]string{}
			all[strings.TrimSuffix(name, "]")] = now
		}
		if key, value, ok := strings.Cut(line, "="); ok {
			now[key] = value
		}
	}
	return all
}
