package web_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

// browser is a headless Chromium, which is told what to do in the DevTools
// protocol over a pipe, and a page in it.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	last    int
	session string
	loaded  bool
	said    []string // errors of the console and dialogs since the last page was opened
}

// startBrowser starts a browser, which ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := oracle.Tool(t, "chromium")
	read, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile := t.TempDir()
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile) // it writes there, too
	cmd.ExtraFiles = []*os.File{read, write}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		fmt.Fprintf(to, `{"id":0,"method":"Browser.close"}`+"\x00")
		end := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		for { // until it has closed its end
			if _, err := b.from.ReadByte(); err != nil {
				break
			}
		}
		cmd.Wait()
		end.Stop()
		to.Close()
		from.Close()
		for range 50 { // its children write into the profile for a moment longer
			if os.RemoveAll(profile) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	from.SetReadDeadline(time.Now().Add(8 * time.Minute))
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends a command and waits for what it gives.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.last++
	m := map[string]any{"id": b.last, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for id := 0; id != b.last; {
		id = b.next(result)
	}
}

// next reads a message: an answer, whose number it returns, or an event.
func (b *browser) next(result any) int {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatal(err)
	}
	var m struct {
		ID     int
		Method string
		Result json.RawMessage
		Params json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Page.javascriptDialogOpening", "Runtime.exceptionThrown":
		b.said = append(b.said, string(m.Params))
	case "Log.entryAdded":
		if strings.Contains(string(m.Params), `"level":"error"`) {
			b.said = append(b.said, string(m.Params))
		}
	}
	if m.ID == b.last {
		if m.Error != nil {
			b.t.Fatal(m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	return m.ID
}

// open shows a page, and waits until all of it is there.
func (b *browser) open(url string) {
	b.t.Helper()
	b.said, b.loaded = nil, false
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.wait()
}

func (b *browser) wait() {
	b.t.Helper()
	for !b.loaded {
		b.next(nil)
	}
}

// eval gives what an expression of JavaScript is in the page.
func (b *browser) eval(expression string, result any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%.80s: %s", expression, r.ExceptionDetails)
	}
	if result != nil {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			b.t.Fatalf("%.80s: %v", expression, err)
		}
	}
}

// text is the expression as a string.
func (b *browser) text(expression string) (s string) {
	b.t.Helper()
	b.eval("String("+expression+")", &s)
	return s
}

// follow does what leads to another page, and waits for that.
func (b *browser) follow(expression string) {
	b.t.Helper()
	b.loaded = false
	b.eval(expression+"; 0", nil)
	b.wait()
}

// look sets what the page is looked at with.
func (b *browser) look(width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// key presses a key.
func (b *browser) key(key string) {
	b.t.Helper()
	press := map[string]any{"type": "keyDown", "key": key}
	if len(key) == 1 {
		press["text"] = key
	}
	b.call("Input.dispatchKeyEvent", press, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

// shoot keeps a picture of the page where QEDFS_SCREENSHOTS names a directory.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("QEDFS_SCREENSHOTS")
	if dir == "" {
		return
	}
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
