package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is a terminal with a shell in it.
type screen struct {
	t       *testing.T
	pty     *os.File
	seen    strings.Builder
	arrived chan string
	cmd     *exec.Cmd
}

// openShell starts qed's shell on a pseudo-terminal.
func openShell(t *testing.T, env ...string) *screen {
	t.Helper()
	cmd := exec.Command("qed", "shell", "../../testdata/guest/debian.qed")
	cmd.Env = append(append(os.Environ(), "TERM=xterm"), env...)
	return openScreen(t, cmd)
}

// openScreen starts a program on a pseudo-terminal.
func openScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = pty.Close() })
	fd := int(pty.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200})
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	s := &screen{t: t, pty: pty, arrived: make(chan string, 64), cmd: cmd}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	go func() {
		defer close(s.arrived)
		b := make([]byte, 4096)
		for {
			n, err := pty.Read(b)
			if err != nil {
				return
			}
			s.arrived <- string(b[:n])
		}
	}()
	return s
}

// expect waits until the screen has shown a text after what was expected last.
func (s *screen) expect(text string) {
	s.t.Helper()
	s.until(text)
}

// until is expect, and returns what was shown up to the end of the text.
func (s *screen) until(text string) string {
	s.t.Helper()
	timeout := time.After(20 * time.Second)
	for !strings.Contains(s.seen.String(), text) {
		select {
		case more, ok := <-s.arrived:
			if !ok {
				s.t.Fatalf("the shell has ended; %q is not in %q", text, s.seen.String())
			}
			s.seen.WriteString(more)
		case <-timeout:
			s.t.Fatalf("%q is not in %q", text, s.seen.String())
		}
	}
	before, after, _ := strings.Cut(s.seen.String(), text)
	s.seen.Reset()
	s.seen.WriteString(after)
	return before + text
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end of the shell and returns its exit code.
func (s *screen) ended() int {
	s.t.Helper()
	done := make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // its exit code is looked at
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		s.t.Fatal("the shell goes on")
	}
	return s.cmd.ProcessState.ExitCode()
}

func TestAShellOnATerminal(t *testing.T) {
	const enter, up, ctrlC, ctrlD = "\r", "\x1b[A", "\x03", "\x04"
	s := openShell(t, "PAGER=cat -n")
	s.expect("qed:/> ")
	s.press("cd ho\t" + enter) // completed
	s.expect("home/")
	s.expect("qed:/home> ")
	s.press("cat user/no\t" + enter)
	s.expect("a note\r\n") // the terminal is as it was while a command runs
	s.expect("qed:/home> ")
	s.press(up + enter) // the history
	s.expect("a note\r\n")
	s.expect("qed:/home> ")
	s.press("cat nowhere" + ctrlC + "pwd" + enter) // the line is emptied
	s.expect("/home\r\n")
	s.expect("qed:/home> ")
	s.press("less user/note" + enter)
	s.expect("     1\ta note")
	s.expect("qed:/home> ")
	s.press("less nowhere" + enter)
	s.expect("qed: cat: /home/nowhere: file does not exist")
	s.expect("qed:/home> ")
	s.press("ls user/\t")
	s.expect("far  hostname  linked  note  shared/")
	s.press(ctrlC + ctrlD)
	if code := s.ended(); code != exitFailed {
		t.Errorf("exit code %d after a command that failed", code)
	}
}

func TestAShellEndsByItsWordAndByASignal(t *testing.T) {
	s := openShell(t)
	s.expect("qed:/> ")
	s.press("exit\r")
	if code := s.ended(); code != exitOK {
		t.Errorf("exit code %d", code)
	}

	s = openShell(t)
	s.expect("qed:/> ")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.ended(); code != exitInterrupted {
		t.Errorf("exit code %d after a signal", code)
	}
}

// TestCtrlCEndsTheCommandAlone interrupts a pager that would wait for ever.
func TestCtrlCEndsTheCommandAlone(t *testing.T) {
	s := openShell(t, "PAGER=sleep 1000")
	s.expect("qed:/> ")
	s.press("less etc/hostname\r")
	time.Sleep(200 * time.Millisecond)
	for range 2 {
		s.press("\x03")
		s.expect("qed:/> ")
		s.press("pwd\r")
		s.expect("/\r\n")
		s.expect("qed:/> ")
		s.press("less etc/hostname\r")
		time.Sleep(200 * time.Millisecond)
	}
	s.press("\x03")
	s.expect("qed:/> ")
	s.press("\x04")
	s.ended()
}
