package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// smallRows compare what takes little more than the start of the process.
func (b *bench) smallRows(each func(row) error) error {
	image, err := b.treeImage("ext4")
	if err != nil {
		return err
	}
	often := func(name string, args ...string) side { // twenty times, for one is a matter of milliseconds
		return command(name, append([]string{"sh", "-c", `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$0" "$@" > /dev/null || exit; done`}, args...)...)
	}
	split, err := b.split(200000)
	if err != nil {
		return err
	}
	for _, r := range []row{
		{"start, 20 times", often("qed --version", b.qed, "--version"), []opponent{{often("qemu-img --version", "qemu-img", "--version"), 1}}},
		{"volumes, 20 times", often("qed volumes", b.qed, "volumes", "-f", "raw", image), []opponent{{often("blkid -p", "blkid", "-p", image), 1}}},
		{"ls of the root, 20 times", often("qed ls", b.qed, "ls", "-f", "raw", image, "disk"), []opponent{{often("debugfs -R ls", "debugfs", "-R", "ls /", image), 1}}},
		{"map of 200,000 clusters of 4 KiB, each by itself", command("qed map", b.qed, "map", "--output=json", split),
			[]opponent{{command("qemu-img map", "qemu-img", "map", "--output=json", split), 0.7}}},
	} {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// split is an image whose every other cluster of 4 KiB has data.
func (b *bench) split(n int64) (string, error) {
	return b.made(fmt.Sprintf("split-%d.qed", n), func(path string) error {
		raw := path + ".raw"
		defer os.Remove(raw)
		f, err := os.Create(raw)
		if err != nil {
			return err
		}
		defer f.Close()
		w, two := bufio.NewWriterSize(f, mib), make([]byte, 8192)
		for i := range 4096 {
			two[i] = byte(i) | 1
		}
		for range n {
			if _, err := w.Write(two); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return tool(b.qed, "convert", "-f", "raw", "-O", "qed", "-o", "cluster_size=4096", raw, path)
	})
}

// serveRows compare the download of 1,000 small files.
func (b *bench) serveRows(each func(row) error) error {
	return b.withTree("ext4", func(image, mnt string) error {
		qed := exec.Command(b.qed, "serve", "-f", "raw", "--listen", "127.0.0.1:0", image)
		address, err := startServer(qed)
		if err != nil {
			return err
		}
		defer stopServer(qed)
		nginx, root, err := b.startNginx(mnt)
		if err != nil {
			return err
		}
		defer stopServer(nginx)
		download := func(name, root string, server int) side {
			s := inProcess(name, func() error { return downloadSmall(root) })
			s.server = server
			return s
		}
		return each(row{"serve: 1,000 small files", download("qed serve", address+"/files/disk/", qed.Process.Pid),
			[]opponent{{download("nginx on the kernel's mount", root, nginx.Process.Pid), 1.2}}})
	})
}

// startServer starts 'qed serve' and returns the address that it prints.
func startServer(cmd *exec.Cmd) (string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if i := strings.Index(lines.Text(), "http://"); i >= 0 {
			go io.Copy(io.Discard, out)
			address, _, _ := strings.Cut(lines.Text()[i:], " ")
			return strings.TrimRight(address, "/"), nil
		}
	}
	return "", errors.Join(errors.New("qed serve: says no address"), lines.Err(), cmd.Wait())
}

func stopServer(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait() // it was ended by a signal
}

func (b *bench) startNginx(root string) (*exec.Cmd, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := l.Addr().String()
	l.Close()
	conf := filepath.Join(b.dir, "nginx.conf")
	err = os.WriteFile(conf, fmt.Appendf(nil, "daemon off; master_process off; user root; pid %s/nginx.pid; error_log stderr;\nevents {}\n"+
		"http { access_log off; sendfile on; keepalive_requests 100000; server { listen %s; root %s; } }\n", b.dir, address, root), 0o644)
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command("nginx", "-c", conf)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return cmd, "http://" + address + "/", c.Close()
		}
		if time.Since(start) > 5*time.Second {
			stopServer(cmd)
			return nil, "", err
		}
	}
}

// downloadSmall reads the first 1,000 files of a tree, one after another.
func downloadSmall(root string) error {
	for i := range 1000 {
		path := fmt.Sprintf("directory 0/%d/file number %d.txt", i/100, i)
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, root+(&url.URL{Path: path}).EscapedPath(), nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s: %w", path, resp.Status, err)
		}
	}
	return nil
}
