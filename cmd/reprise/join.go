package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/runner"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
	"github.com/reprise-ml/reprise/zoo"
)

func joinCommand(a *app) *cobra.Command {
	var workers int
	var name string
	var memory size
	c := &cobra.Command{
		Use:   "join URL",
		Short: "Take part in a distributed training",
		Long: long(`
Takes part in a session: computes what its coordinator asks for, with as many workers as this machine should give, until
the session ends or this command is interrupted. URL is what session start has printed, or the address of the session's
page. A connection that breaks is made again. What is fetched is checked against its digest, and the engine runs under a
limit of fuel and without any access to this machine.`),
		Example: "  reprise join https://zoo.example.org/join/4f0c2a91be --workers 4",
		Args:    exactly("URL"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkWorkers(workers); err != nil {
				return err
			}
			return a.join(c.Context(), args[0], workers, name, int64(memory))
		},
	}
	addWorkers(c, &workers)
	c.Flags().StringVar(&name, "name", "", "what others see of this participant; at most 40 characters")
	c.Flags().Var(&memory, "memory", "how much of the dataset is kept in memory, such as 500MB (default 256MB)")
	return c
}

// sessionAddress splits the address of a session into the server's and the session's name.
func sessionAddress(text string) (*url.URL, string, error) {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		for _, prefix := range []string{"/join/", "/s/", "/api/v1/sessions/"} {
			if base, id, ok := strings.Cut(u.Path, prefix); ok && id != "" {
				id, _, _ = strings.Cut(id, "/")
				return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: base}, id, nil
			}
		}
	}
	return nil, "", usagef("copy what session start has printed, such as https://zoo.example.org/join/4f0c2a91be", "%q is not the address of a session", text)
}

func (a *app) join(ctx context.Context, address string, workers int, name string, memory int64) error {
	base, id, err := sessionAddress(address)
	if err != nil {
		return err
	}
	dial, err := ws.Dialer(base.JoinPath("api/v1/sessions", id, "ws").String(), ws.ClientOptions{})
	if err != nil {
		return err
	}
	shown := a.newProgress()
	var last trainer.ParticipantProgress
	end, err := trainer.Participate(ctx, trainer.Participation{
		Dial:   dial,
		Blobs:  serverBlobs{base: base},
		Hello:  wire.Hello{Role: wire.RoleWork, Family: "wazero", Runtime: runner.RuntimeName(runner.Options{}), Workers: workers, Memory: memory, Name: name},
		Memory: memory,
		Progress: func(p trainer.ParticipantProgress) {
			if p.Phase != last.Phase && a.verbose {
				a.note("%s", p.Phase)
			}
			if p.Reason != nil && !sameError(p.Reason, last.Reason) {
				a.note("The connection ended (%v); connecting again", p.Reason)
			}
			if p.Status == (wire.Status{}) {
				p.Status = last.Status
			}
			if last = p; shown.due() {
				shown.show(joinLine(p))
			}
		},
	})
	shown.clear()
	report := schema.JoinReport{Session: id, Computed: last.Status.Computed, Verified: last.Status.Verified, Steps: last.Status.Step}
	switch {
	case err != nil && ctx.Err() != nil:
		// The user has given what the user wanted to give.
	case err != nil:
		return joinError(err)
	default:
		report.Run = end.Run
		report.Ended = true
	}
	return a.answer(report, func(w io.Writer) {
		if report.Ended {
			fmt.Fprintf(w, "%s: %s\n", a.style(styleBold, "the session ended"), end.Message)
		}
		fmt.Fprintf(w, "computed %d microbatches, %d of them final\n", report.Computed, report.Verified)
	})
}

func sameError(a, b error) bool { return a != nil && b != nil && a.Error() == b.Error() }

// joinError says what to do about a refusal.
func joinError(err error) error {
	var refuse *wire.Refuse
	if !errors.As(err, &refuse) {
		return err
	}
	switch refuse.Code {
	case wire.CodeVersion:
		return withHint(err, "use the release that the server runs")
	case wire.CodeEnvironment, wire.CodeProof:
		return withHint(err, "this machine cannot take part; reprise engine check tells more")
	case wire.CodeUnknown:
		return usagef("reprise session list shows what there is", "%s", refuse.Message)
	}
	return err
}

func joinLine(p trainer.ParticipantProgress) string {
	s := p.Status
	line := fmt.Sprintf("%s, step %d of %d", p.Phase, s.Step, s.Steps)
	if s.Loss > 0 {
		line += fmt.Sprintf(", loss %.4f", s.Loss)
	}
	return line + fmt.Sprintf(", %d participants, %d microbatches computed (%.1f %%)", s.Participants, s.Computed, 100*s.Share)
}

// serverBlobs are the blobs of a server, over HTTP.
type serverBlobs struct{ base *url.URL }

// Open implements closure.Blobs.
func (b serverBlobs) Open(ctx context.Context, d schema.Digest) (io.ReadCloser, error) {
	const attempts = 5
	var last error
	for n := range attempts {
		if n > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Duration(n*n) * 200 * time.Millisecond):
			}
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base.JoinPath("blobs/sha256", d.Hex()).String(), nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("User-Agent", "reprise ("+runtime.GOOS+"/"+runtime.GOARCH+")")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			last = unwrapURL(err)
			continue
		}
		switch answer.StatusCode {
		case http.StatusOK:
			return verifiedBody{closure.VerifyReader(answer.Body, "blob "+d.Short(), d, -1), answer.Body}, nil
		case http.StatusNotFound:
			answer.Body.Close()
			return nil, fmt.Errorf("%s: %w", d.Short(), zoo.ErrNotFound)
		}
		answer.Body.Close()
		last = fmt.Errorf("the server answered %s", answer.Status)
	}
	return nil, fmt.Errorf("%s: %w", d.Short(), last)
}

type verifiedBody struct {
	io.Reader
	io.Closer
}
