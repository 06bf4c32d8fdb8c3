// Command loadtest measures sessions under load: the real coordinator and transport, and participants in another process, which answer
// every lease rightly after a set time and check every update's digest. Computing is waiting, so what is measured is the session.
//
//	loadtest power    vectors of W2's size in timed mode: power against participants, and where the time goes
//	loadtest error    sessions that really train W2: test error against time
//	loadtest link     vectors of ResNet-18's size over a shaped link: the speed-up of 16 participants
//
// Each says with -h what it can be told. All print JSON, and a table or lines for people on standard error; the first two also draw
// power.svg and error.svg.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/reprise-ml/reprise/runner"
)

func main() {
	runner.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("what? power, error or link")
	}
	var answer any
	var err error
	switch verb, rest := arguments[0], arguments[1:]; verb {
	case "power":
		answer, err = power(ctx, rest)
	case "error":
		answer, err = errorsOf(ctx, rest)
	case "link":
		answer, err = links(ctx, rest)
	case participantsVerb:
		return participants(ctx, rest)
	default:
		err = fmt.Errorf("%q is none of power, error and link", verb)
	}
	if err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}
