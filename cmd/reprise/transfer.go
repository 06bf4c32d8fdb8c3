package main

import (
	"fmt"
	"strings"

	"github.com/reprise-ml/reprise/zoo"
)

// transfer shows files on their way: on a terminal a bar for each that is under way and one for all of them, elsewhere an
// occasional line.
type transfer struct {
	*progress
	what  string
	files []zoo.Progress // under way, in the order in which they began
	lines int            // that the terminal holds
}

// maxBars is more than files are under way at a time, so no terminal is filled.
const maxBars = 8

func (a *app) newTransfer(what string) *transfer {
	return &transfer{progress: a.newProgress(), what: what}
}

// step takes in a report of zoo.
func (t *transfer) step(p zoo.Progress) {
	t.enter(p)
	if !t.due() || p.Total == 0 {
		return
	}
	total := fmt.Sprintf("%s %s %s of %s", t.what, bar(float64(p.Sent)/float64(p.Total), 24), byteCount(p.Sent), byteCount(p.Total))
	if !t.app.terminal {
		t.show(total)
		return
	}
	t.clear()
	for _, f := range t.files {
		t.show(fmt.Sprintf("  %s %s  %s", bar(float64(f.Done)/float64(max(f.Size, 1)), 12), byteCount(f.Size), f.Path))
		fmt.Fprintln(t.app.stderr)
		t.lines++
	}
	t.show(total)
}

// enter keeps account of what is under way.
func (t *transfer) enter(p zoo.Progress) {
	if p.Path == "" {
		t.files = nil
		return
	}
	at := -1
	for i, f := range t.files {
		if f.Path == p.Path {
			at = i
		}
	}
	switch {
	case p.Done >= p.Size && at >= 0:
		t.files = append(t.files[:at], t.files[at+1:]...)
	case p.Done < p.Size && at >= 0:
		t.files[at] = p
	case p.Done < p.Size && len(t.files) < maxBars:
		t.files = append(t.files, p)
	}
}

// clear removes all bars.
func (t *transfer) clear() {
	t.progress.clear()
	if t.lines > 0 {
		// To the first of the lines (CPL), and everything from there on erased (ED).
		fmt.Fprintf(t.app.stderr, "\x1b[%dF\x1b[J", t.lines)
		t.lines = 0
	}
}

// filesText is a number of files and their size for people.
func filesText(n, bytes int64) string {
	return strings.Join([]string{counted(n, "file"), byteCount(bytes)}, ", ")
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
