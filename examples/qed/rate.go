package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// addRateFlag gives a subcommand the -r flag.
func addRateFlag(cmd *cobra.Command, rate *int64) {
	addSizeFlag(cmd, rate, "rate-limit", "r", "rate limit", "copy so many bytes a second at most")
}

// limitRate makes a report of progress wait until as much may be done at a rate
// of bytes a second; 0 is no limit. Whatever reports goes no faster.
func limitRate(ctx context.Context, rate int64, set func(done, total int64)) func(done, total int64) {
	if rate <= 0 {
		return set
	}
	began := time.Now()
	return func(done, total int64) {
		set(done, total)
		due := time.Duration(float64(done) / float64(rate) * float64(time.Second))
		select {
		case <-ctx.Done():
		case <-time.After(due - time.Since(began)):
		}
	}
}
