package main

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// registryFlags are those of serve that are about its registry.
type registryFlags struct {
	anonymousPull bool
	spool, tokens string
	maxBlob       size
}

func (r *registryFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&r.anonymousPull, "anonymous-pull", true, "let everybody read; otherwise the site asks for a token, too")
	flags.StringVar(&r.spool, "spool", "", "where uploads wait until they are whole (default in the store if that is a directory, else in the user's cache)")
	flags.StringVar(&r.tokens, "tokens", "", tokensUsage)
	flags.Var(&r.maxBlob, "max-blob", "refuse files larger than this, such as 20GB (default any size)")
}

const tokensUsage = "the folder of the tokens (default in the store if that is a directory, else in the user's configuration)"

func (a *app) newRegistry(s zoo.Store, place string, r registryFlags, log *slog.Logger) (*registry.Registry, error) {
	spool, err := serverPath(place, r.spool, filepath.Join(zoo.UploadsPath, "sessions"), os.UserCacheDir)
	if err != nil {
		return nil, err
	}
	tokens, err := tokensPath(place, r.tokens)
	if err != nil {
		return nil, err
	}
	return registry.New(registry.Options{
		Store: s, Spool: spool, Tokens: registry.NewTokens(tokens), AnonymousPull: r.anonymousPull, MaxBlob: int64(r.maxBlob), Log: log,
	}), nil
}

// tokensPath is the folder of the tokens of a server over the store at a place.
func tokensPath(place, chosen string) (string, error) {
	return serverPath(place, chosen, "tokens", os.UserConfigDir)
}

// serverPath is where a server over the store at a place keeps files of its own: where it is told to, else in the store if that
// is a directory, else in a folder of the user's.
func serverPath(place, chosen, folder string, userDir func() (string, error)) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	if !scheme.MatchString(place) {
		return filepath.Join(place, folder), nil
	}
	dir, err := userDir()
	if err != nil {
		// A server without a home, as services are.
		dir = cmp.Or(os.Getenv("STATE_DIRECTORY"), os.TempDir())
	}
	return filepath.Join(dir, "reprise", schema.DigestOf([]byte(place)).Short(), folder), nil
}
