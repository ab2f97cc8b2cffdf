package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testImages = "../../testdata"

// runQed runs the command in this process.
func runQed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, nil, &out, &errs)
	return code, out.String(), errs.String()
}

// serveImages serves the committed images to whoever has the token.
func serveImages(t *testing.T) string {
	t.Helper()
	files := http.FileServer(http.Dir(testImages))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv("QED_HTTP_HEADER", "X-Token: secret\n")
	return server.URL
}

func TestCommandsReadAnImageAtAURLAsAFile(t *testing.T) {
	url := serveImages(t)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"info", "IMAGE/gpt.qed"},
		{"info", "--backing-chain", "--output", "json", "IMAGE/chain.qed"},
		{"map", "IMAGE/chain.qed"},
		{"check", "IMAGE/gpt.qed"},
		{"compare", "IMAGE/gpt.qed", "IMAGE/gpt.qed"},
		{"measure", "-O", "qed", "IMAGE/gpt.qed"},
		{"io", "-r", "-c", "read -v 0 64", "IMAGE/gpt.qed"},
		{"volumes", "--output", "json", "IMAGE/gpt.qed"},
		{"ls", "-l", "-R", "IMAGE/gpt.qed"},
		{"ls", "-R", "IMAGE/chain.qed"},
		{"ls", "-f", "raw", "-R", "IMAGE/chain-base.raw"},
		{"tree", "IMAGE/lvm.qed"},
		{"cat", "IMAGE/gpt.qed", "p2/etc/hostname"},
		{"stat", "IMAGE/gpt.qed", "p2/etc/hostname"},
		{"df", "IMAGE/gpt.qed"},
		{"du", "IMAGE/gpt.qed"},
		{"diff", "IMAGE/gpt.qed", "IMAGE/gpt.qed"},
		{"tar", "IMAGE/gpt.qed"},
		{"cat", "IMAGE/gpt.qed", "p2/none"},
	} {
		in := func(where string) (int, string, string) {
			words := strings.Fields(strings.ReplaceAll(strings.Join(args, " "), "IMAGE", where))
			if args[0] == "io" {
				words = append(args[:len(args)-1:len(args)-1], where+"/gpt.qed")
			}
			code, out, errs := runQed(t, words...)
			return code, strings.ReplaceAll(out, where, "IMAGE"), strings.ReplaceAll(errs, where, "IMAGE")
		}
		wantCode, wantOut, wantErr := in(testImages)
		code, out, errs := in(url)
		if args[0] == "info" { // what an image takes on another machine's disk is not known
			for _, s := range []*string{&out, &wantOut} {
				*s = lineWith(*s, "disk size", "actual-size")
			}
		}
		if args[0] == "io" { // it times itself
			out, wantOut = firstLines(out), firstLines(wantOut)
		}
		if code != wantCode || out != wantOut || errs != wantErr {
			t.Errorf("qed %v:\n%d %s%s\nof a file:\n%d %s%s", args, code, errs, out, wantCode, wantErr, wantOut)
		}
	}
	for _, args := range [][]string{
		{"convert", "-O", "raw", url + "/chain.qed", filepath.Join(dir, "a.raw")},
		{"convert", "-O", "raw", testImages + "/chain.qed", filepath.Join(dir, "b.raw")},
		{"cp", url + "/gpt.qed", "p2/etc/hostname", dir},
		{"dump", url + "/gpt.qed", "p2", filepath.Join(dir, "p2")},
		{"compact", url + "/gpt.qed", filepath.Join(dir, "small.qed")},
	} {
		if code, _, errs := runQed(t, args...); code != 0 {
			t.Errorf("qed %v: %d, %s", args, code, errs)
		}
	}
	a, err1 := os.ReadFile(filepath.Join(dir, "a.raw"))
	b, err2 := os.ReadFile(filepath.Join(dir, "b.raw"))
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("%v, %v, or convert makes something else", err1, err2)
	}
}

// lineWith leaves out the lines that hold one of the words.
func lineWith(text string, words ...string) string {
	var b strings.Builder
line:
	for line := range strings.Lines(text) {
		for _, word := range words {
			if strings.Contains(line, word) {
				continue line
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func firstLines(text string) string {
	before, _, _ := strings.Cut(text, "read 64")
	return before
}

func TestImagesAtAURL(t *testing.T) {
	url := serveImages(t)
	t.Setenv("QED_HTTP_HEADER", "")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"without the token", []string{"ls", url + "/gpt.qed"}, "permission denied (403 Forbidden)"},
		{"missing", []string{"ls", "--header", "X-Token: secret", url + "/none.qed"}, "file does not exist (404 Not Found)"},
		{"with a backing file that is not allowed", []string{"ls", "--header", "X-Token:secret", "--backing", "none", url + "/chain.qed"}, "backing file not allowed"},
		{"changed", []string{"resize", "--header", "X-Token: secret", url + "/gpt.qed", "+1M"}, "can only be read"},
		{"a bad header", []string{"ls", "--header", "secret", url + "/gpt.qed"}, "--header: not of the form 'Name: value'"},
		{"a bad size", []string{"ls", "--cache-size", "x", url + "/gpt.qed"}, "--cache-size x: not a number of bytes"},
		{"another scheme", []string{"ls", "gopher://host/gpt.qed"}, "not read"},
		{"a password", []string{"ls", strings.Replace(url, "//", "//me:hunter2@", 1) + "/gpt.qed"}, "me:xxxxx@"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := runQed(t, tt.args...)
			if code != exitFailed || !strings.Contains(errs, tt.says) || strings.Contains(errs, "hunter2") || strings.Contains(errs, ": secret") {
				t.Errorf("qed %v: %d, %s, want 1 and %q", tt.args, code, errs, tt.says)
			}
		})
	}
	cache := t.TempDir()
	if code, _, errs := runQed(t, "ls", "--header", "X-Token: secret", "--cache-dir", cache, url+"/gpt.qed"); code != 0 {
		t.Errorf("with --cache-dir: %d, %s", code, errs)
	}
	if kept, err := os.ReadDir(cache); err != nil || len(kept) != 1 {
		t.Errorf("--cache-dir keeps %v, %v", kept, err)
	}
}

func TestWrappedImages(t *testing.T) {
	dir := t.TempDir()
	pack := func(name string, members ...string) string {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, member := range members {
			image, err := os.ReadFile(filepath.Join(testImages, filepath.Base(member)))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.WriteHeader(&tar.Header{Name: member, Size: int64(len(image)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(image); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(dir, name)
		out := b.Bytes()
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := z.Write(out); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			out = packed.Bytes()
		}
		if err := os.WriteFile(name, out, 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	one := pack("one.tar", "gpt.qed")
	chain := pack("chain.tar", "vm/chain.qed", "vm/chain-middle.qed", "vm/chain-base.raw")
	packed := pack("one.tar.gz", "gpt.qed")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	_, gpt, _ := runQed(t, "ls", "-R", testImages+"/gpt.qed")
	for image, want := range map[string]string{
		one: gpt, one + "#gpt.qed": gpt, packed: gpt,
		server.URL + "/one.tar": gpt,
	} {
		if code, out, errs := runQed(t, "ls", "-R", image); code != 0 || out != want {
			t.Errorf("ls -R %s: %d %s%s, want\n%s", image, code, errs, out, want)
		}
		if code, _, errs := runQed(t, "info", "--backing-chain", image); code != 0 {
			t.Errorf("info %s: %d %s", image, code, errs)
		}
	}
	for _, image := range []string{chain + "#vm/chain.qed", server.URL + "/chain.tar#vm/chain.qed"} {
		if code, out, errs := runQed(t, "compare", image, testImages+"/chain.qed"); code != 0 {
			t.Errorf("compare %s: %d %s%s", image, code, errs, out)
		}
		if code, _, errs := runQed(t, "info", "--backing-chain", image); code != 0 {
			t.Errorf("info %s: %d %s", image, code, errs)
		}
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"ls", chain}, `3 look like images: "vm/chain.qed"`},
		{[]string{"ls", one + "#none"}, "file does not exist in the archive"},
		{[]string{"ls", "--max-unpacked", "1KiB", packed}, "limit exceeded: it unpacks to more than 1024 bytes"},
		{[]string{"resize", one + "#gpt.qed", "+1M"}, "can only be read"},
		{[]string{"resize", one, "+1M"}, "not a QED image"},
	} {
		if code, _, errs := runQed(t, tt.args...); code != exitFailed || !strings.Contains(errs, tt.says) {
			t.Errorf("qed %v: %d %s, want %q", tt.args, code, errs, tt.says)
		}
	}
	// Told to be raw, a file is what it is, unless its name says otherwise too.
	disk := filepath.Join(dir, "disk.img")
	if err := os.Rename(one, disk); err != nil {
		t.Fatal(err)
	}
	size := func(name string) string {
		_, out, _ := runQed(t, "info", "-f", "raw", name)
		return lineWith(out, "image:", "disk size")
	}
	before, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	if got := size(disk); !strings.Contains(got, fmt.Sprintf("(%d bytes)", before.Size())) {
		t.Errorf("info -f raw disk.img: %s", got)
	}
}
