package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// app is what all verbs share: the streams and the flags of every command.
type app struct {
	stdout, stderr io.Writer

	store   string
	json    bool
	quiet   bool
	verbose bool

	colour   bool // standard output is a terminal that wants colours
	terminal bool // standard error is a terminal
	width    int  // of that terminal
}

func newApp(stdout, stderr io.Writer) *app {
	a := &app{stdout: stdout, stderr: stderr, width: 80}
	a.colour = isTerminal(stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if f, ok := stderr.(*os.File); ok && isTerminal(f) {
		a.terminal = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			a.width = w
		}
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// answer prints the result of a verb: v with --json, else what text writes.
func (a *app) answer(v any, text func(w io.Writer)) error {
	if a.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	out := &stickyWriter{w: a.stdout}
	text(out)
	return out.err
}

// note tells people what is going on, on standard error.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// detail is a note that only -v asks for.
func (a *app) detail(format string, args ...any) {
	if a.verbose {
		a.note(format, args...)
	}
}

// stickyWriter remembers the first error, so that writers of text need not look at each.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(b []byte) (int, error) {
	if s.err != nil {
		return len(b), nil
	}
	_, s.err = s.w.Write(b)
	return len(b), nil
}

// Styles of text on a terminal (ECMA-48).
const (
	styleBold  = "1"
	styleRed   = "31"
	styleGreen = "32"
	styleDim   = "2"
)

func (a *app) style(style, s string) string {
	if !a.colour || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}
