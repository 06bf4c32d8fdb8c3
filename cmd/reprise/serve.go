package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer"
	"github.com/reprise-ml/reprise/trainer/ws"
	"github.com/reprise-ml/reprise/web"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/attestation"
)

// defaultAddress is reached from this machine alone: whoever wants more says so.
const defaultAddress = "127.0.0.1:8080"

func serveCommand(a *app) *cobra.Command {
	var address string
	var derive, presign bool
	var r registryFlags
	var keys []string
	c := &cobra.Command{
		Use:   "serve [--addr HOST:PORT] [--anonymous-pull=false]",
		Short: "Serve the store as a site, where visitors recompute closures in their browsers",
		Long: long(`
Serves the closures and datasets of the store: a site to browse, on which visitors recompute claims and whole
trainings in their own browsers, and the JSON API and blobs that it is made of. No engine runs in the server.
Visitors may leave unsigned verification records, which are kept apart. Records that were signed (reprise verify --sign, cosign
attest) count where --trust names the public key of their signature, in PEM; others are shown as what they are.

The server is an OCI registry, too: oras, crane, cosign and their like pull and push any artifact at HOST:PORT/NAME. Pushing
needs a token (reprise token create); so does reading with --anonymous-pull=false, also on the site. Versions, such as
1.0.0, never change once they are pushed; other tags move. Uploads that were cut off are kept for a week and gone on with.

With --presign, browsers and clients of the registry load blobs from the bucket itself, by URLs that are good for a quarter
of an hour. The bucket must allow that to pages of this site (CORS): zoo/s3/README.md says how.

It ends at an interrupt, after the requests that are under way. Port 0 is any free one; with --json the answer names the
address.`),
		Example: `  reprise serve
  reprise serve --store ./zoo --addr 0.0.0.0:8080 --max-blob 20GB
  reprise serve --trust keys/ada.pub --trust "The laboratory=lab.pub"`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if derive {
				return compileForParent(c.InOrStdin(), a.stdout)
			}
			trust, err := readTrust(keys)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), address, presign, trust, r, nil)
		},
	}
	c.Flags().StringVar(&address, "addr", defaultAddress, "where to listen")
	c.Flags().BoolVar(&presign, "presign", false, "let readers load blobs from the bucket itself")
	c.Flags().StringArrayVar(&keys, "trust", nil, "count records signed with this public key, `[NAME=]FILE`; may be repeated")
	r.add(c.Flags())
	c.Flags().BoolVar(&derive, compileFlag, false, "compile the specification on standard input")
	if err := c.Flags().MarkHidden(compileFlag); err != nil {
		panic(err) // the flag is declared above
	}
	return c
}

// serve serves the store until the context ends; ready is told the address, unless it is nil.
func (a *app) serve(ctx context.Context, address string, direct bool, trust *attestation.Trust, r registryFlags, ready func(url string)) error {
	place := a.storePlace()
	kind, err := kindOfStore(place)
	if err != nil {
		return err
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	var presign *api.Presign
	if direct {
		presign, err = api.NewPresign(ctx, s)
		if errors.Is(err, zoo.ErrUnsupported) {
			return usagef("leave it out, or serve a store at s3://", "--presign: a store of the kind %s has no URLs for others", kind.name)
		}
		if err != nil {
			return err
		}
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return withHint(fmt.Errorf("cannot listen on %s: %w", address, err), "name another address with --addr, such as 127.0.0.1:0")
	}
	defer l.Close()
	log := a.requestLog()
	registry, err := a.newRegistry(s, place, r, log)
	if err != nil {
		return err
	}
	defer registry.Close()
	var sessions *trainer.Sessions
	none := noSessions(s)
	if none == "" {
		sessions, err = openSessions(ctx, s, log)
	}
	if err != nil {
		return err
	}
	sockets := ws.New(ws.Options{})
	defer sockets.Close()
	index, err := a.openIndex(ctx, s, trust, func(name, version string, err error) {
		log.Warn("listed by its name alone, or not yet", "name", name, "version", version, "error", err)
	})
	if err != nil {
		return err
	}
	defer index.Close()
	options := api.Options{
		Store: s, Catalogue: index, Kind: kind.name, Version: versionReport(version, debug.ReadBuildInfo).Version, Compiler: processCompiler{},
		Registry: registry, Presign: presign, Trust: trust, MayStart: registry.MayPush, Assets: a.assets(), Log: log, NoSessions: none,
	}
	if sessions != nil {
		defer sessions.Close()
		options.Sessions, options.Transport = sessions, sockets
	} else {
		a.note("There are no sessions here: %s", none)
	}
	service := api.New(options)
	defer service.Close()
	defer context.AfterFunc(ctx, service.Close)() // streams end, so that the server can
	answer := schema.ServeReport{URL: "http://" + l.Addr().String() + "/", Store: place}
	err = a.answer(answer, func(w io.Writer) {
		fmt.Fprintf(w, "Serving %s at %s\n", answer.Store, a.style(styleBold, answer.URL))
	})
	if err != nil {
		return err
	}
	if ready != nil {
		ready(answer.URL)
	}
	return api.Serve(ctx, l, service.Handler())
}

// assets are the built site, or nil.
func (a *app) assets() fs.FS {
	files, built := web.Assets()
	if !built {
		a.note("The site is not part of this program: pages are plain. Build it in: make web build")
		return nil
	}
	return files
}

// requestLog writes to standard error: every request with -v, else what went wrong.
func (a *app) requestLog() *slog.Logger {
	level := slog.LevelWarn
	switch {
	case a.quiet:
		level = slog.LevelError
	case a.verbose:
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}
