// Command loadtest measures sessions under load: the real coordinator and transport, and participants in another process, which answer
// every lease rightly after a set time and check every update's digest. Computing is waiting, so what is measured is the session.
//
//	loadtest power [-out DIR] [-counts 1,2,…] [-seconds S]    a network of W2's size in timed mode: power against participants
//	loadtest error [-out DIR] [-counts 1,2,…] [-seconds S]    what such steps teach W2: test error against time
//	loadtest link [-bits B] [-participants N] [-rate MBIT]    one of ResNet-18's size over a shaped link: the speed-up of N
//
// All print JSON. The first two also draw DIR/power.svg and DIR/error.svg.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
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
