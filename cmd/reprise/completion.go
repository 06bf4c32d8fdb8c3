package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// shells that completion knows.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Write a completion script for a shell",
		Long:      long("Writes the completion script of a shell (" + strings.Join(shells, ", ") + ") to standard output."),
		Example:   "  source <(reprise completion bash)",
		Args:      exactly("SHELL"),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usagef("choose one of "+strings.Join(shells, ", "), "%q is not a shell that completion knows", args[0])
		},
	}
}
