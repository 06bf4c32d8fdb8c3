package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestWithdraw(t *testing.T) {
	d := withData(t)
	published := d.published()
	for _, c := range []struct {
		args, says []string
	}{
		{[]string{"withdraw", "small"}, []string{"--reason REASON is missing"}},
		{[]string{"withdraw", "small", "--reason", " "}, []string{"--reason REASON is missing"}},
		{[]string{"withdraw", "small", "--reason", strings.Repeat("a", 3000)}, []string{"reason"}},
	} {
		d.refused(exitInvalid, c.says, c.args...)
	}
	d.refused(exitFailed, []string{"not found"}, "withdraw", "nothing", "--reason", "x")

	first := report[schema.WithdrawReport](d, schema.KindWithdrawReport, exitDone, "withdraw", "small:1.0.0", "--reason", "the labels\n\x1b[2Jare wrong")
	again := report[schema.WithdrawReport](d, schema.KindWithdrawReport, exitDone, "withdraw", "small", "--reason", "the labels\n\x1b[2Jare wrong")
	if first.Digest != published.Digest || first.Record != again.Record || first.Record.IsZero() {
		t.Errorf("%+v, then %+v", first, again)
	}
	list := *report[[]schema.ListEntry](d, schema.KindListReport, exitDone, "list")
	if len(list) != 2 || list[0].Withdrawn != "" || list[1].Withdrawn != "the labels\n\x1b[2Jare wrong" {
		t.Errorf("list: %+v", list)
	}
	for _, args := range [][]string{{"list"}, {"history", "small"}, {"show", "small"}, {"pull", "small", "-o", d.path("pulled")}} {
		o := d.done(args...)
		if text := o.stdout + o.stderr; !strings.Contains(text, "the labels  [2Jare wrong") || strings.Contains(text, "\x1b[2J") {
			t.Errorf("%s does not say why: %q", args[0], text)
		}
	}
	pulled := report[schema.PullReport](d, schema.KindPullReport, exitDone, "pull", "small", "-o", d.path("again"))
	if pulled.Withdrawn == "" {
		t.Error("pull --json does not say why")
	}
	d.done("verify", "small")
	d.done("copy", "small", "--to", d.path("mirror"))
	if text := d.done("list", "--store", d.path("mirror")).stdout; !strings.Contains(text, "withdrawn") {
		t.Errorf("a mirror does not know of it: %q", text)
	}
}
