package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func withdrawCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "withdraw REF --reason REASON",
		Short: "Take back a closure or dataset: everybody who finds it is told why",
		Long: long(`
Records that an object is withdrawn, and why. It is not deleted, since other work may refer to it: list, show, pull
and the site tell the reason to everybody who finds it. A withdrawal cannot be taken back; publish a new version.`, exitDamaged),
		Example: `  reprise withdraw mnist-cnn:1.0.0 --reason "the test images were among the training images"`,
		Args:    exactly("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withdraw(c.Context(), args[0], strings.TrimSpace(reason))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who find it")
	return c
}

func (a *app) withdraw(ctx context.Context, reference, reason string) error {
	if reason == "" {
		return usagef("say why, for those who find it", "--reason REASON is missing")
	}
	created, err := createdNow()
	if err != nil {
		return err
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	r, err := zoo.Resolve(ctx, s, reference)
	if err != nil {
		return err
	}
	e, err := zoo.Withdraw(ctx, s, r, reason, created)
	if err != nil {
		return err
	}
	report := schema.WithdrawReport{Name: r.Name, Version: r.Version, Digest: r.Entry.Digest, Reason: reason, Record: e.Digest}
	return a.answer(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s\n  %s\n", a.style(styleBold, "withdrawn:"), reference, r.Entry.Digest)
	})
}

// withdrawn says why an object was withdrawn, and warns of it; it is empty for others.
func (a *app) withdrawn(ctx context.Context, s zoo.Store, r zoo.Resolved) (string, error) {
	list, err := zoo.Withdrawals(ctx, s, r.Name, r.Entry.Digest)
	if err != nil || len(list) == 0 {
		return "", err
	}
	a.note("%s %s was withdrawn on %s: %s", a.style(styleRed, "warning:"), r.Name, list[0].Created, oneLine(list[0].Reason))
	return list[0].Reason, nil
}

// oneLine shows a text of somebody else in one line, without what could move the cursor.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
