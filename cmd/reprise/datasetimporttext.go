package main

import (
	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
)

func importTextCommand(a *app) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "text [FILE] --name NAME:VERSION",
		Short: "Import a text, a record for each character or window of characters",
		Long: long(`
Makes a dataset of text in UTF-8, plain or gzipped: one file is the split train. Each character is a record, in
the order of the text; its target is the character that follows. The vocabulary, sorted, takes the place of the
classes. With --window T, which language models need, a record is T characters instead, and its targets are the T
that follow each of them. --test-fraction holds out the end of the text. The same files always give the same dataset.`),
		Example: `  reprise dataset import text plays.txt --test-fraction 0.1 --name plays:1.0.0
  reprise dataset import text plays.txt --window 64 --test-fraction 0.1 --name plays:1.0.0
  reprise dataset import text --tokens bytes --split train=a.txt --split test=b.txt --name bytes:1.0.0`,
		Args: between(0, 1, "FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.importDataset(c.Context(), closure.ImportText, f, args)
		},
	}
	f.add(c, "train=FILE")
	c.Flags().StringVar(&f.options.Tokens, "tokens", closure.TokensCharacters, "what a record is: "+closure.TokensCharacters+" or "+closure.TokensBytes)
	c.Flags().IntVar(&f.options.Window, "window", 0, "tokens of a record, such as 64; without it a record is one token")
	return c
}
