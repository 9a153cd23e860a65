// Command secret-rotation rotates the company's credentials end to end: from
// the pass store into every consumer, with proof, and out of the world again.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sanmarcsoft/secret-rotation/internal/cli"
	"github.com/sanmarcsoft/secret-rotation/internal/protect"
)

func main() {
	protect.Memory()
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, cli.System(), os.Args[1:])
}
