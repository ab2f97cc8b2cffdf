package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	collectLater()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once: the handler is gone by then.
	context.AfterFunc(ctx, stop)
	os.Exit(runAs(ctx, programOf(os.Args[0]), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// runAs is the whole command but for the process around it. It returns the
// exit code.
func runAs(ctx context.Context, p program, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &printout{Writer: stdout}
	a := &app{program: p, stdin: stdin, stdout: out, stderr: stderr, sources: sources{ctx: ctx}}
	defer a.keys.forget()
	if p.kind == kindQed && len(args) > 0 && args[0] == completionRequest {
		if err := a.answerShell(ctx, args[1:]); err != nil {
			fmt.Fprintf(stderr, "qed: %v\n", err)
			return exitFailed
		}
		return exitOK
	}
	root := newProgram(a)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, args, err := a.completeArgs(root, args)
	if err != nil {
		err = flagError(cmd, err)
	} else {
		root.SetArgs(args)
		cmd, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		err = out.err
	}
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		fmt.Fprintf(stderr, "%s: interrupted\n", commandPrefix(cmd))
		return exitInterrupted
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: failureCode(cmd), err: err}
	}
	if exit.err != nil {
		a.complain(cmd, exit.err)
	}
	return exit.code
}
