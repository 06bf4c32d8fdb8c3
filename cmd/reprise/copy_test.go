package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func TestCopy(t *testing.T) {
	d := withData(t)
	published := d.published()
	d.done("tag", "small:1.0.0", "best")
	first := report[schema.CopyReport](d, schema.KindCopyReport, exitDone, "copy", "small", "--to", d.path("mirror"))
	if len(first.Copied) != 2 || first.Copied[0].Name != "glyphs" || first.Copied[1].Digest != published.Digest || first.Files == 0 {
		t.Errorf("%+v", first)
	}
	again := report[schema.CopyReport](d, schema.KindCopyReport, exitDone, "copy", "--all", "--to", d.path("mirror"))
	if again.Files != 0 || again.PresentBytes != first.Bytes+first.PresentBytes || len(again.Copied) != 3 || again.Copied[2].Tag != "best" {
		t.Errorf("copying again: %+v", again)
	}
	d.done("verify", "small:best", "--store", d.path("mirror"))
	d.done("fsck", "--store", d.path("mirror"))

	to := d.path("mirror")
	d.refused(exitInvalid, []string{"--to STORE is missing"}, "copy", "small")
	d.refused(exitInvalid, []string{"REF is missing", "--all"}, "copy", "--to", to)
	d.refused(exitInvalid, []string{"--all takes no references"}, "copy", "--all", "small", "--to", to)
	d.refused(exitFailed, []string{"nothing: not found"}, "copy", "nothing", "--to", to)
	d.refused(exitInvalid, []string{"not a kind of store"}, "copy", "small", "--to", "ftp://x")
	if text := d.done("copy", "small", "--to", to).stdout; !strings.Contains(text, "already there: small:1.0.0") || !strings.Contains(text, "0 files, 0 B sent") {
		t.Errorf("it says %q", text)
	}
}

func TestTransfer(t *testing.T) {
	steps := func(a *app) *transfer {
		s := a.newTransfer("copying")
		s.step(zoo.Progress{Total: 100})
		for _, p := range []zoo.Progress{
			{Path: "a", Done: 10, Size: 40, Sent: 10, Total: 100},
			{Path: "b", Done: 20, Size: 60, Sent: 30, Total: 100},
			{Path: "a", Done: 40, Size: 40, Sent: 60, Total: 100},
		} {
			s.shown = s.shown.Add(-2 * lineEvery)
			s.step(p)
		}
		return s
	}
	t.Run("on a terminal", func(t *testing.T) {
		var stderr bytes.Buffer
		s := steps(&app{stderr: &stderr, terminal: true, width: 60})
		if len(s.files) != 1 || s.files[0].Path != "b" || s.lines != 1 {
			t.Errorf("under way: %+v in %d lines", s.files, s.lines)
		}
		s.clear()
		text := stderr.String()
		if !strings.Contains(text, "60 B of 100 B") || !strings.HasSuffix(text, "\x1b[1F\x1b[J") {
			t.Errorf("%q", text)
		}
	})
	t.Run("elsewhere", func(t *testing.T) {
		var stderr bytes.Buffer
		steps(&app{stderr: &stderr}).clear()
		if text := stderr.String(); strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 3 {
			t.Errorf("%q", text)
		}
	})
	t.Run("quiet", func(t *testing.T) {
		var stderr bytes.Buffer
		steps(&app{stderr: &stderr, terminal: true, quiet: true, width: 60}).clear()
		if stderr.Len() > 0 {
			t.Errorf("%q", stderr.String())
		}
	})
}
