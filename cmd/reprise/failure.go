package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitInvalid = 2 // wrong arguments, or an invalid document, data file or engine
	exitDiffers = 3 // something recomputed differs
	exitDamaged = 4 // stored bytes differ from the digest that names them
)

// usageError is a wrong use of the command line.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func usagef(hint, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), hint: hint}
}

// verdictError ends a command whose answer has been printed and says that something is wrong.
type verdictError struct {
	code    int
	message string
}

func (e *verdictError) Error() string { return e.message }

// hintedError adds what to do about an error.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// interruptedError is the context's error with how far it went.
type interruptedError struct{ step, steps int64 }

func (e *interruptedError) Error() string {
	return fmt.Sprintf("interrupted after step %d of %d", e.step, e.steps)
}

func (e *interruptedError) Unwrap() error { return context.Canceled }

// exitCode maps errors to exit codes; nothing else does.
func exitCode(err error) int {
	var (
		verdict *verdictError
		damaged *schema.Damaged
		invalid *schema.Invalid
		usage   *usageError
		trap    *runner.TrapError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &verdict):
		return verdict.code
	case errors.As(err, &damaged):
		return exitDamaged
	case errors.As(err, &usage), errors.As(err, &invalid), errors.As(err, &trap), errors.Is(err, runner.ErrOtherWork):
		return exitInvalid
	}
	return exitFailed
}

// fail tells the user about an error: on standard error, or with --json as the one document on standard output.
func (a *app) fail(err error, args []string) {
	detail := describe(err)
	if _, ok := errors.AsType[*verdictError](err); ok {
		if !a.json {
			fmt.Fprintf(a.stderr, "reprise: %s\n", detail.Message)
		}
		return
	}
	if a.json || wantsJSON(args) {
		// Encoding strings and writing to a closed pipe are all that could fail: nobody would hear of it.
		_ = json.NewEncoder(a.stdout).Encode(schema.Failure{Error: detail})
		return
	}
	fmt.Fprintf(a.stderr, "reprise: %s\n", detail.Message)
	if detail.Hint != "" && !strings.Contains(detail.Message, detail.Hint) {
		fmt.Fprintf(a.stderr, "  hint: %s\n", detail.Hint)
	}
}

// wantsJSON looks for the flag where the command line could not be parsed.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// describe makes of an error what people and programs are told.
func describe(err error) schema.FailureDetail {
	d := schema.FailureDetail{Code: exitCode(err), Message: err.Error(), Hint: hintOf(err)}
	var invalid *schema.Invalid
	var damaged *schema.Damaged
	switch {
	case errors.As(err, &damaged):
		paths := make([]string, len(damaged.Blobs))
		for i, b := range damaged.Blobs {
			paths[i] = b.Path
		}
		d.Where = strings.Join(paths, ", ")
	case errors.As(err, &invalid):
		d.Where = invalid.Document
		if len(invalid.Problems) > 0 && invalid.Problems[0].Path != "" {
			d.Where += ": " + invalid.Problems[0].Path
		}
	}
	return d
}

// hintOf says what to do about an error, if that is known.
func hintOf(err error) string {
	var (
		hinted  *hintedError
		usage   *usageError
		invalid *schema.Invalid
	)
	switch {
	case errors.As(err, &hinted):
		return hinted.hint
	case errors.As(err, &usage):
		return usage.hint
	case errors.As(err, &invalid):
		if len(invalid.Problems) == 1 {
			return invalid.Problems[0].Hint
		}
	case errors.Is(err, zoo.ErrVersionExists):
		return "a published version never changes: give the closure another version"
	case errors.Is(err, runner.ErrOtherWork):
		return "name another directory with -o, or remove this one to train anew"
	case errors.Is(err, syscall.ENOSPC):
		return "free some space, then run the same command again"
	case errors.Is(err, zoo.ErrReadOnly), errors.Is(err, fs.ErrPermission):
		return "choose a place where you may write, with --store or -o"
	case errors.Is(err, context.Canceled):
		return "run the same command again"
	}
	return ""
}
