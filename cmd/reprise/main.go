// Command reprise trains, publishes, verifies and replays research closures.
//
// Every verb has a file. A verb parses its arguments, calls the library, and answers with one value: as text for people,
// or as one JSON document with --json. Verbs return errors; run alone prints them and maps them to exit codes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/reprise-ml/reprise/runner"
)

func main() {
	// Verify and replay run engines in child processes, which are this program again.
	runner.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// The first signal asks for an orderly end. After it, signals kill again.
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := newApp(stdout, stderr)
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.fail(err, args)
	}
	return exitCode(err)
}
