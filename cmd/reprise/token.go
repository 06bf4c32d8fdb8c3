package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
)

func tokenCommand(a *app) *cobra.Command {
	return group("token", "Make, list and revoke the tokens of a server", "  reprise token create --scope push --name 'alice/*'",
		tokenCreateCommand(a), tokenListCommand(a), tokenRevokeCommand(a))
}

func tokenCreateCommand(a *app) *cobra.Command {
	var tokens, scope, names, expires string
	var quota size
	c := &cobra.Command{
		Use:   "create [--scope pull|push|admin] [--name PATTERN] [--expires DURATION]",
		Short: "Make a token with which clients push to the server over this store",
		Long: long(`
Makes a token for the server over this store (reprise serve), also while it runs. The secret is printed once, and only its
hash is kept. Clients give any user name, and the token as the password: docker login, oras login, crane auth login.

With the scope pull it reads what needs a token; with push it publishes, too, and moves tags; with admin it also deletes
what is not published. A pattern such as 'alice/*' limits the names that are written; reading is of the whole store.`),
		Example: `  reprise token create
  reprise token create --name 'alice/*' --expires 90d --quota 50GB
  reprise token create --scope admin --json`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			now := time.Now().UTC().Truncate(time.Second)
			terms := registry.Token{Scope: registry.Scope(scope), Names: names, Created: now, Quota: int64(quota)}
			if expires != "" {
				life, err := lifetime(expires)
				if err != nil {
					return err
				}
				terms.Expires = now.Add(life)
			}
			if _, err := a.createStore(c.Context()); err != nil { // tokens lie beside a store
				return err
			}
			s, err := a.tokens(tokens)
			if err != nil {
				return err
			}
			t, text, err := s.Create(terms)
			if err != nil {
				return err
			}
			answer := tokenReport(t)
			answer.Token = text
			return a.answer(answer, func(w io.Writer) {
				fmt.Fprintln(w, text)
				a.note("This is the only time that it is shown. It may %s; its id is %s.", termsOf(t), t.ID)
			})
		},
	}
	c.Flags().StringVar(&tokens, "tokens", "", tokensUsage)
	c.Flags().StringVar(&scope, "scope", string(registry.ScopePush), "what it is for: pull, push or admin")
	c.Flags().StringVar(&names, "name", "*", "the names that it may write, such as 'alice/*'")
	c.Flags().StringVar(&expires, "expires", "", "how long it is valid, such as 90d or 12h (default for ever)")
	c.Flags().Var(&quota, "quota", "how much may be uploaded with it in all, such as 50GB (default any amount)")
	return c
}

func tokenListCommand(a *app) *cobra.Command {
	var tokens string
	c := &cobra.Command{
		Use: "list", Short: "List the tokens of the server over this store", Long: long("Lists the tokens of the server over this store, the oldest first. Secrets are not kept."),
		Example: "  reprise token list", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.tokens(tokens)
			if err != nil {
				return err
			}
			list, err := s.List()
			if err != nil {
				return err
			}
			return a.answer(tokenReports(list), func(w io.Writer) {
				if len(list) == 0 {
					a.note("there are no tokens; reprise token create makes one")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
				fmt.Fprintln(t, "id\tscope\tnames\tcreated\texpires\tquota")
				for _, r := range tokenReports(list) {
					quota := size(r.Quota)
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Scope, r.Names, r.Created, orDash(r.Expires), orDash(quota.String()))
				}
				t.Flush() // the writer below remembers errors
			})
		},
	}
	c.Flags().StringVar(&tokens, "tokens", "", tokensUsage)
	return c
}

func tokenRevokeCommand(a *app) *cobra.Command {
	var tokens string
	c := &cobra.Command{
		Use: "revoke ID", Short: "End the validity of a token", Long: long("Ends the validity of a token, also for a server that runs. token list names the ids."),
		Example: "  reprise token revoke k3v7q2m5xa", Args: exactly("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.tokens(tokens)
			if err != nil {
				return err
			}
			all, err := s.List()
			if err != nil {
				return err
			}
			if err := s.Revoke(args[0]); errors.Is(err, fs.ErrNotExist) {
				return withHint(fmt.Errorf("there is no token %q", args[0]), "reprise token list names the ids")
			} else if err != nil {
				return err
			}
			var revoked []registry.Token
			for _, t := range all {
				if t.ID == args[0] {
					revoked = append(revoked, t)
				}
			}
			return a.answer(tokenReports(revoked), func(w io.Writer) { fmt.Fprintf(w, "%s is not valid any more\n", args[0]) })
		},
	}
	c.Flags().StringVar(&tokens, "tokens", "", tokensUsage)
	return c
}

// tokens are those of a server over the store.
func (a *app) tokens(chosen string) (*registry.Tokens, error) {
	dir, err := tokensPath(a.storePlace(), chosen)
	return registry.NewTokens(dir), err
}

func tokenReport(t registry.Token) schema.TokenReport {
	r := schema.TokenReport{ID: t.ID, Scope: string(t.Scope), Names: t.Names, Created: t.Created.Format(time.RFC3339), Quota: t.Quota}
	if !t.Expires.IsZero() {
		r.Expires = t.Expires.Format(time.RFC3339)
	}
	return r
}

func tokenReports(list []registry.Token) []schema.TokenReport {
	reports := make([]schema.TokenReport, 0, len(list))
	for _, t := range list {
		reports = append(reports, tokenReport(t))
	}
	return reports
}

// termsOf says what a token is for.
func termsOf(t registry.Token) string {
	what := string(t.Scope)
	if t.Scope != registry.ScopePull && t.Names != "*" {
		what += " to " + t.Names
	}
	if !t.Expires.IsZero() {
		what += " until " + t.Expires.Format(time.DateOnly)
	}
	return what
}

// lifetime reads a duration, also in days.
func lifetime(text string) (time.Duration, error) {
	hours := text
	factor := time.Duration(1)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		hours, factor = days+"h", 24
	}
	d, err := time.ParseDuration(hours)
	if err != nil || d <= 0 || d > 100*365*24*time.Hour/factor {
		return 0, usagef("write 90d or 12h", "--expires: %q is not how long something is valid", text)
	}
	return d * factor, nil
}
