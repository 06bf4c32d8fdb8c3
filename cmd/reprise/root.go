package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot makes the command tree. Flags and streams are the app's.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "reprise",
		Short: "Archive, verify, replay and resume machine-learning results, bit for bit",
		Long: `Reprise keeps machine-learning results as research closures: one versioned object that holds a model's
specification, the code that trains it, its parameters, its data by digest, the journal of its training
and the results that its authors claim. Anyone can recompute them, bit for bit.`,
		Example: `  reprise demo
  reprise init
  reprise dataset import idx --split train=IMAGES,LABELS --name mnist:1.0.0
  reprise train closure.yaml -o closure
  reprise publish closure
  reprise verify mnist-cnn:1.0.0`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              noVerb,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.store, "store", "", "where closures and datasets live, such as ./zoo or s3://bucket/prefix (default $REPRISE_STORE, else ./.reprise)")
	flags.BoolVar(&a.json, "json", false, "answer with one JSON document on standard output")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no notes")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef(fmt.Sprintf("see %s --help", c.CommandPath()), "%s", err)
	})
	root.AddGroup(
		&cobra.Group{ID: groupMake, Title: "Make:"},
		&cobra.Group{ID: groupKeep, Title: "Keep and find:"},
		&cobra.Group{ID: groupCheck, Title: "Check and use:"},
	)
	for _, g := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupMake, []*cobra.Command{demoCommand(a), initCommand(a), datasetCommand(a), compileCommand(a), engineCommand(a), trainCommand(a), resumeCommand(a), convertCommand(a), sessionCommand(a), joinCommand(a)}},
		{groupKeep, []*cobra.Command{publishCommand(a), pullCommand(a), copyCommand(a), exportCommand(a), importCommand(a), tagCommand(a), withdrawCommand(a), listCommand(a), searchCommand(a), showCommand(a), historyCommand(a), diffCommand(a), fsckCommand(a), gcCommand(a), serveCommand(a), tokenCommand(a), loginCommand(a), logoutCommand(a)}},
		{groupCheck, []*cobra.Command{verifyCommand(a), replayCommand(a), predictCommand(a)}},
		{"", []*cobra.Command{versionCommand(a), completionCommand(a)}},
	} {
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	return root
}

// Groups of verbs in the help.
const (
	groupMake  = "make"
	groupKeep  = "keep"
	groupCheck = "check"
)

// exitTexts say what exit codes mean; each command's help lists those that it can end with.
var exitTexts = map[int]string{
	exitDone:    "done",
	exitFailed:  "it could not be done: something is not there, or cannot be read or written",
	exitInvalid: "wrong arguments, or an invalid document, data file or engine",
	exitDiffers: "something that was recomputed differs",
	exitDamaged: "stored bytes differ from the digest that names them",
}

// long is the help of a command with its exit statuses.
func long(text string, codes ...int) string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(text))
	b.WriteString("\n\nExit status:")
	for _, code := range slices.Sorted(slices.Values(append(codes, exitDone, exitFailed, exitInvalid))) {
		fmt.Fprintf(&b, "\n  %d  %s", code, exitTexts[code])
	}
	return b.String()
}

// noVerb refuses arguments where a verb is expected.
func noVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("see %s --help", c.CommandPath())
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(hint, "%q is not a verb of %s", args[0], c.CommandPath())
}

// group is a command that only holds others.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name())
	}
	g := &cobra.Command{
		Use: use, Short: short, Long: long(short + "."), Example: example, Args: noVerb,
		RunE: func(c *cobra.Command, _ []string) error {
			return usagef(fmt.Sprintf("see %s --help", c.CommandPath()), "%s needs a verb: %s", c.CommandPath(), strings.Join(names, " or "))
		},
	}
	g.AddCommand(commands...)
	return g
}

// exactly takes as many arguments as there are names.
func exactly(names ...string) cobra.PositionalArgs { return between(len(names), len(names), names...) }

// atLeast takes as many arguments as there are names, or more of the last.
func atLeast(names ...string) cobra.PositionalArgs { return between(len(names), 1<<30, names...) }

func between(least, most int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := fmt.Sprintf("usage: %s; see %s --help", c.UseLine(), c.CommandPath())
		switch {
		case len(args) < least:
			return usagef(hint, "%s is missing", strings.Join(names[len(args):least], " "))
		case len(args) > most:
			return usagef(hint, "unexpected argument %q", args[most])
		}
		return nil
	}
}
