package main

import (
	"context"
	"io"
)

// run runs the command under its own name.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runAs(ctx, programOf("qed"), args, stdin, stdout, stderr)
}
