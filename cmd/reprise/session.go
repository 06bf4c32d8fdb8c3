package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
)

func sessionCommand(a *app) *cobra.Command {
	return group("session", "Start and command distributed trainings", "  reprise session start mnist-cnn:1.0.0 --server http://127.0.0.1:8080",
		sessionStartCommand(a), sessionListCommand(a), sessionShowCommand(a),
		sessionVerb(a, trainer.CommandPause, "Begin no further step"),
		sessionVerb(a, trainer.CommandResume, "Let a paused session go on"),
		sessionVerb(a, trainer.CommandStop, "End a session after the present step"),
		sessionSetCommand(a), sessionChangeCommand(a), sessionPublishCommand(a))
}

// sessionAccess says which server is asked, and as whom.
type sessionAccess struct {
	server, owner, token string
}

func (s *sessionAccess) add(c *cobra.Command) {
	c.Flags().StringVar(&s.server, "server", os.Getenv("REPRISE_SERVER"), "the server, such as https://zoo.example.org (default $REPRISE_SERVER)")
}

func (s *sessionAccess) addOwner(c *cobra.Command) {
	c.Flags().StringVar(&s.owner, "owner", "", "the owner's secret (default $REPRISE_OWNER, else that of a session started from here)")
}

// maxAnswer bounds what a server answers.
const maxAnswer = 64 << 20

// call sends a request to the server's interface, and decodes the answer.
func (s *sessionAccess) call(ctx context.Context, method, path, secret string, body, out any) error {
	base, err := serverURL(s.server)
	if err != nil {
		return err
	}
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, base.JoinPath("api/v1", path).String(), in)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return withHint(fmt.Errorf("the server cannot be reached: %w", unwrapURL(err)), "is it running? reprise serve")
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return serverProblem(answer.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the server's answer is not one of Reprise: %w", err)
	}
	return nil
}

// unwrapURL takes the address out of an error, which the user has named.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// serverProblem makes an error of a problem document.
func serverProblem(status int, text []byte) error {
	var p api.Problem
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		return fmt.Errorf("the server answered %d %s", status, http.StatusText(status))
	}
	switch {
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity || status == http.StatusNotFound:
		return usagef(p.Hint, "%s", p.Detail)
	case p.Hint != "":
		return withHint(errors.New(p.Detail), "%s", p.Hint)
	}
	return errors.New(p.Detail)
}

func serverURL(server string) (*url.URL, error) {
	if server == "" {
		return nil, usagef("name it: --server http://127.0.0.1:8080", "--server is missing")
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usagef("give an address such as https://zoo.example.org", "--server %q is not an address", server)
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u, nil
}

func sessionStartCommand(a *app) *cobra.Command {
	var access sessionAccess
	var q trainer.Request
	var audit float64
	c := &cobra.Command{
		Use:   "start REF|SPEC --server URL",
		Short: "Start a distributed training from a closure or a specification",
		Long: long(`
Starts a session at a server: from a specification (a file), or from a closure in the server's store, whose training
it repeats, or goes on with for N steps more (--steps). Participants open the printed address in a browser, or run
reprise join. The result is published in the server's store when the last step is done; it has the run digest that a
single machine computes alone.

The owner's secret, by which the session is paused, changed and stopped, is printed once and kept for this user.`),
		Example: `  reprise session start closure.yaml --server http://127.0.0.1:8080
  reprise session start mnist-cnn:1.0.0 --steps 500 --server https://zoo.example.org`,
		Args: exactly("REF|SPEC"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("audit") {
				q.Audit = &audit
			}
			return a.sessionStart(c.Context(), args[0], access, q)
		},
	}
	access.add(c)
	c.Flags().StringVar(&access.token, "token", os.Getenv("REPRISE_TOKEN"), "a token of the server, where it wants one (default $REPRISE_TOKEN)")
	c.Flags().Int64Var(&q.Steps, "steps", 0, "steps to add to a closure, or of the specification")
	c.Flags().StringVar(&q.Mode, "mode", "", "fixed (default): every step has its microbatches; timed: what arrives in --seconds")
	c.Flags().Float64Var(&q.Seconds, "seconds", 0, "the time of a step in timed mode (default 1)")
	c.Flags().Float64Var(&audit, "audit", 0, "the least probability with which a result is computed again by the server (default 0.05)")
	c.Flags().StringVar(&q.Name, "name", "", "the name of the closure that it will be")
	c.Flags().StringVar(&q.Version, "version", "", "its version")
	return c
}

func (a *app) sessionStart(ctx context.Context, what string, access sessionAccess, q trainer.Request) error {
	if info, err := os.Stat(what); err == nil && info.Mode().IsRegular() {
		text, err := readFile(what, maxSpecification)
		if err != nil {
			return err
		}
		if _, err := schema.ReadSpecification(what, text); err != nil {
			return err
		}
		q.Specification = string(text)
	} else {
		q.Closure = what
	}
	var created api.SessionCreated
	if err := access.call(ctx, http.MethodPost, "sessions", access.token, q, &created); err != nil {
		return err
	}
	base, err := serverURL(access.server)
	if err != nil {
		return err
	}
	if err := rememberOwner(base.String(), created.ID, created.Owner); err != nil {
		a.note("The owner's secret could not be kept: %v", err)
	}
	report := schema.SessionReport{
		ID: created.ID, Owner: created.Owner, Join: base.JoinPath("join", created.ID).String(), Page: base.JoinPath("s", created.ID).String(),
	}
	return a.answer(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s\n  join     %s\n  watch    %s\n  or here  reprise join %s\n  owner    %s\n", a.style(styleBold, "started"), report.ID, report.Join, report.Page, report.Join, report.Owner)
	})
}

// owners is the file with the secrets of sessions that were started from here.
func owners() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "reprise", "sessions.json"), err
}

func readOwners() (map[string]string, error) {
	secrets := map[string]string{}
	path, err := owners()
	if err != nil {
		return secrets, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return secrets, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &secrets)
	}
	return secrets, err
}

func rememberOwner(server, id, secret string) error {
	secrets, err := readOwners()
	if err != nil {
		return err
	}
	secrets[server+" "+id] = secret
	path, err := owners()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(secrets, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sessions-*") // only its owner may read it
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing after the rename
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// secretOf finds the owner's secret of a session.
func (s *sessionAccess) secretOf(id string) (string, error) {
	if s.owner != "" {
		return s.owner, nil
	}
	if text := os.Getenv("REPRISE_OWNER"); text != "" {
		return text, nil
	}
	base, err := serverURL(s.server)
	if err != nil {
		return "", err
	}
	if secrets, err := readOwners(); err == nil && secrets[base.String()+" "+id] != "" {
		return secrets[base.String()+" "+id], nil
	}
	return "", usagef("give the secret that session start has printed", "--owner is missing: the session was not started from here")
}

func sessionListCommand(a *app) *cobra.Command {
	var access sessionAccess
	c := &cobra.Command{
		Use: "list --server URL", Short: "List the sessions of a server", Long: long("Lists the sessions of a server: those that go on, then the newest."),
		Example: "  reprise session list --server http://127.0.0.1:8080", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			var list api.SessionList
			if err := access.call(c.Context(), http.MethodGet, "sessions", "", nil, &list); err != nil {
				return err
			}
			if list.None != "" {
				a.note("This server has no sessions: %s", list.None)
			}
			return a.answer(list.Sessions, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
				fmt.Fprintln(t, "id\tclosure\tstate\tstep\tparticipants\taccuracy")
				for _, s := range list.Sessions {
					fmt.Fprintf(t, "%s\t%s:%s\t%s\t%d/%d\t%d\t%s\n", s.ID, s.Name, s.Version, s.State, s.Step, s.Steps, s.Participants, fraction(s.Accuracy))
				}
				t.Flush() // the writer below remembers errors
			})
		},
	}
	access.add(c)
	return c
}

func fraction(v *float64) string {
	if v == nil || math.IsNaN(*v) {
		return "–"
	}
	return fmt.Sprintf("%.2f %%", 100**v)
}

func sessionShowCommand(a *app) *cobra.Command {
	var access sessionAccess
	c := &cobra.Command{
		Use: "show ID --server URL", Short: "Show a session: how far it is, and who takes part",
		Long:    long("Shows how far a session is, who takes part, where the time of its steps goes, and what was audited."),
		Example: "  reprise session show 4f0c2a91be --server http://127.0.0.1:8080", Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			var d trainer.Detail
			if err := access.call(c.Context(), http.MethodGet, "sessions/"+url.PathEscape(args[0]), "", nil, &d); err != nil {
				return err
			}
			return a.printSession(d)
		},
	}
	access.add(c)
	return c
}

func (a *app) printSession(d trainer.Detail) error {
	return a.answer(d, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s:%s, %s\n", a.style(styleBold, d.ID), d.Name, d.Version, d.State)
		fmt.Fprintf(w, "  step          %d of %d (final %d, saved %d)\n", d.Step, d.Steps, d.Final, d.Checkpoint)
		if d.Loss != nil {
			fmt.Fprintf(w, "  loss          %.4f\n", *d.Loss)
		}
		fmt.Fprintf(w, "  accuracy      %s\n  power         %.0f examples/s\n", fraction(d.Accuracy), d.Power)
		t := d.Times
		fmt.Fprintf(w, "  step time     %.0f ms: computing %.0f, upload %.0f, merging %.0f, broadcast %.0f; idle %.0f\n",
			1e3*t.Total, 1e3*t.Compute, 1e3*t.Upload, 1e3*t.Merge, 1e3*t.Broadcast, 1e3*t.Idle)
		fmt.Fprintf(w, "  audits        %d done, %d pending, %d caught, %d times back, %d leased again\n", d.Audits.Done, d.Audits.Pending, d.Audits.Caught, d.Audits.Rollbacks, d.Audits.Releases)
		fmt.Fprintf(w, "  participants  joined %d times, left %d times; the server went on %d times\n", d.Joins, d.Leaves, d.Restarts)
		if d.Closure != "" {
			fmt.Fprintf(w, "  closure       %s\n", d.Closure)
		}
		if !d.Run.IsZero() {
			fmt.Fprintf(w, "  run           %s\n", d.Run)
		}
		if d.Trouble != "" {
			fmt.Fprintf(w, "  waits         %s\n", d.Trouble)
		}
		if d.Error != "" {
			fmt.Fprintf(w, "  error         %s\n", d.Error)
		}
		if len(d.People) == 0 {
			return
		}
		tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		fmt.Fprintln(tw, "\nparticipant\truntime\tstate\tmicrobatches/s\tlatency\tcomputed\tverified\tshare")
		for _, p := range d.People {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.1f\t%.0f ms\t%d\t%d\t%.1f %%\n", orElse(p.Name, p.ID), orElse(p.Runtime, p.Family), p.State, p.Power, 1e3*p.Latency, p.Computed, p.Verified, 100*p.Share)
		}
		tw.Flush() // the writer below remembers errors
	})
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// sessionVerb is a command without arguments of its own.
func sessionVerb(a *app, verb, short string) *cobra.Command {
	var access sessionAccess
	c := &cobra.Command{
		Use: verb + " ID --server URL", Short: short, Long: long(short + ". It is for the owner of the session, and survives a crash of the server."),
		Example: "  reprise session " + verb + " 4f0c2a91be --server http://127.0.0.1:8080", Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.sessionCommand(c.Context(), args[0], access, trainer.Command{Command: verb})
		},
	}
	access.add(c)
	access.addOwner(c)
	return c
}

func (a *app) sessionCommand(ctx context.Context, id string, access sessionAccess, command trainer.Command) error {
	secret, err := access.secretOf(id)
	if err != nil {
		return err
	}
	var d trainer.Detail
	if err := access.call(ctx, http.MethodPost, "sessions/"+url.PathEscape(id)+"/commands", secret, command, &d); err != nil {
		return err
	}
	return a.printSession(d)
}

func sessionSetCommand(a *app) *cobra.Command {
	var access sessionAccess
	var step int64
	c := &cobra.Command{
		Use: "set ID NAME=VALUE --server URL", Short: "Change a hyper-parameter of a session at a step",
		Long:    long("Changes a hyper-parameter, such as learningRate, from the next step on, or from --step on. The journal records it, and a replay repeats it."),
		Example: "  reprise session set 4f0c2a91be learningRate=0.01 --step 400 --server http://127.0.0.1:8080", Args: exactly("ID", "NAME=VALUE"),
		RunE: func(c *cobra.Command, args []string) error {
			name, text, ok := strings.Cut(args[1], "=")
			value, err := strconv.ParseFloat(text, 64)
			if !ok || err != nil {
				return usagef("write it as learningRate=0.01", "%q is not NAME=VALUE", args[1])
			}
			return a.sessionCommand(c.Context(), args[0], access, trainer.Command{Command: trainer.CommandSet, Name: name, Value: &value, Step: step})
		},
	}
	access.add(c)
	access.addOwner(c)
	c.Flags().Int64Var(&step, "step", 0, "the first step with the new value (default the next one)")
	return c
}

func sessionChangeCommand(a *app) *cobra.Command {
	var access sessionAccess
	var step int64
	c := &cobra.Command{
		Use: "change ID SPEC --server URL", Short: "Go on with the engine of another specification at a step",
		Long: long(`
Replaces the engine of a session from the next step on, or from --step on: for another class, more data, a
wider net or another optimizer. What the two engines have in common is kept: tensors of the same name take
over the overlapping leading part of the old ones, and all else begins as in a new training. The seed stays.

The closure holds both engines; its journal says when each ran, and a replay switches at the same step.`),
		Example: "  reprise session change 4f0c2a91be ten-classes.yaml --step 400 --server http://127.0.0.1:8080", Args: exactly("ID", "SPEC"),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readFile(args[1], maxSpecification)
			if err != nil {
				return err
			}
			if _, err := schema.ReadSpecification(args[1], text); err != nil {
				return err
			}
			return a.sessionCommand(c.Context(), args[0], access, trainer.Command{Command: trainer.CommandEngine, Specification: string(text), Step: step})
		},
	}
	access.add(c)
	access.addOwner(c)
	c.Flags().Int64Var(&step, "step", 0, "the first step of the new engine (default the next one)")
	return c
}

func sessionPublishCommand(a *app) *cobra.Command {
	var access sessionAccess
	var version string
	c := &cobra.Command{
		Use: "publish ID --server URL", Short: "Publish what a stopped session has trained",
		Long:    long("Publishes the closure of a session that was stopped, or whose publishing has failed. A session that does its last step is published by itself."),
		Example: "  reprise session publish 4f0c2a91be --version 1.1.0 --server http://127.0.0.1:8080", Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.sessionCommand(c.Context(), args[0], access, trainer.Command{Command: trainer.CommandPublish, Version: version})
		},
	}
	access.add(c)
	access.addOwner(c)
	c.Flags().StringVar(&version, "version", "", "its version (default that of the session)")
	return c
}
