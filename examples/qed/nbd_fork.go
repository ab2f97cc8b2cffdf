package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// forkedVariable is set in the environment of a command that another one has
// started to serve in the background.
const forkedVariable = "QED_FORKED"

func isForked() bool { return os.Getenv(forkedVariable) != "" }

// runForked starts this command once more, in the background. It returns when
// that one has said all that it has to say, on being ready or on its failure.
func (a *app) runForked() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self)
	child.Args = os.Args
	child.Env = append(os.Environ(), forkedVariable+"=1")
	child.SysProcAttr = detached()
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := child.StderrPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	complained := make(chan struct{})
	go func() {
		defer close(complained)
		_, _ = io.Copy(a.stderr, stderr) // ends with the pipe
	}()
	said, err := io.ReadAll(stdout)
	if err != nil {
		return err
	}
	if len(said) > 0 {
		_, err := a.stdout.Write(said)
		return err
	}
	<-complained
	code := exitFailed
	var exit *exec.ExitError
	if errors.As(child.Wait(), &exit) && exit.ExitCode() > 0 {
		code = exit.ExitCode()
	}
	return &exitError{code: code}
}

// leave tells the process that waits in runForked that it can go, and goes on when
// nobody reads any longer what this process says.
func (a *app) leave() {
	if file, ok := a.stdout.(io.Closer); ok && isForked() {
		signal.Ignore(syscall.SIGPIPE)
		file.Close()
	}
}
