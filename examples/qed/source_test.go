package main

import (
	"bytes"
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
