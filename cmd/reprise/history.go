package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func historyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "history NAME",
		Short:   "List the versions of a closure or dataset, the highest first",
		Long:    long("Lists every version of a name, the highest first."),
		Example: "  reprise history mnist-cnn",
		Args:    exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := schema.CheckName(args[0]); err != nil {
				return usagef("give a name alone, such as mnist-cnn", "%s", err)
			}
			return a.entries(c.Context(), func(ctx context.Context, s zoo.Store) ([]schema.ListEntry, error) {
				return zoo.History(ctx, s, args[0])
			})
		},
	}
}
