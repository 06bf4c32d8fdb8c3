package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/oci"
)

// tokenUser is the user of those who have only a token: Reprise servers look at the token alone.
const tokenUser = "token"

func loginCommand(a *app) *cobra.Command {
	var username string
	var fromInput bool
	c := &cobra.Command{
		Use:   "login SERVER",
		Short: "Store credentials for a Reprise server or an OCI registry",
		Long: long(`
Asks for a token (of a Reprise server: reprise token create; of another registry: a password or access token),
checks that the server accepts it, and stores it where Docker's tools keep theirs: with the credential helper
that is configured, else in config.json of $DOCKER_CONFIG or ~/.docker, readable to you alone.`),
		Example: `  reprise login https://zoo.example.org
  reprise login registry.example.org --username ada --token-stdin < token`,
		Args: exactly("SERVER"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.login(c.Context(), args[0], username, c.InOrStdin(), fromInput)
		},
	}
	c.Flags().StringVar(&username, "username", tokenUser, "the user, where the server wants one")
	c.Flags().BoolVar(&fromInput, "token-stdin", false, "read the token from standard input")
	return c
}

func (a *app) login(ctx context.Context, server, username string, in io.Reader, fromInput bool) error {
	if _, err := oci.ParseServer(server); err != nil {
		return err
	}
	token, err := a.readToken(in, fromInput)
	if err != nil {
		return err
	}
	account, err := oci.Login(ctx, server, username, token)
	if err != nil {
		return err
	}
	report := schema.LoginReport{Server: account.Server, Username: account.Username, Helper: account.Helper, File: account.File}
	return a.answer(report, func(w io.Writer) {
		where := account.File
		if account.Helper != "" {
			where = "the credential helper " + account.Helper
		}
		fmt.Fprintf(w, "%s %s\n  credentials in %s\n", a.style(styleBold, "logged in to"), account.Server, where)
	})
}

// maxToken is longer than any token.
const maxToken = 64 << 10

// readToken reads a line: from standard input, or from the terminal without showing it.
func (a *app) readToken(in io.Reader, fromInput bool) (string, error) {
	if fromInput {
		line, err := bufio.NewReader(io.LimitReader(in, maxToken)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usagef("give it on standard input with --token-stdin", "there is no terminal to ask for the token")
	}
	fmt.Fprint(a.stderr, "token: ")
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func logoutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "logout SERVER",
		Short:   "Forget the credentials for a server or registry",
		Long:    long(`Removes what reprise login, or a tool of Docker's, has stored for the server.`),
		Example: "  reprise logout https://zoo.example.org",
		Args:    exactly("SERVER"),
		RunE: func(_ *cobra.Command, args []string) error {
			host, had, err := oci.Logout(args[0])
			if err != nil {
				return err
			}
			return a.answer(schema.LogoutReport{Server: host, Removed: had}, func(w io.Writer) {
				if !had {
					fmt.Fprintf(w, "there were no credentials for %s\n", host)
					return
				}
				fmt.Fprintf(w, "%s %s\n", a.style(styleBold, "logged out of"), host)
			})
		},
	}
}
