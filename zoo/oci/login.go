package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Account is whose credentials were stored, and where.
type Account struct {
	Server   string // the host
	Username string
	Helper   string // the credential helper that has them, or empty
	File     string // else the file
}

// ParseServer reads the server of Login and Logout: a host, or the URL of a store there.
func ParseServer(server string) (Location, error) {
	if !strings.Contains(server, "://") {
		server = "oci://" + server
	}
	return ParseLocation(server)
}

// Login checks credentials against a registry or Reprise server, and stores them where Docker's tools look for them, too: in
// their credential helper if one is configured, else in their configuration file, which only its owner can read then. Wrong
// credentials are *schema.Invalid, and nothing is stored.
func Login(ctx context.Context, server, username, secret string) (Account, error) {
	l, err := ParseServer(server)
	if err != nil {
		return Account{}, err
	}
	switch {
	case username == "":
		return Account{}, schema.Invalidf("credentials", "", "name the user")
	case secret == "":
		return Account{}, schema.Invalidf("credentials", "", "the token is empty")
	}
	if err := tryCredentials(ctx, l, username, secret); err != nil {
		return Account{}, err
	}
	a := Account{Server: l.Host, Username: username}
	file, err := config.Load(os.Getenv("DOCKER_CONFIG"))
	if err != nil {
		return Account{}, fmt.Errorf("the configuration of Docker: %w", err)
	}
	key, err := accountKey(l)
	if err != nil {
		return Account{}, err
	}
	if a.Helper = helperOf(file.CredentialHelpers[key], file.CredentialsStore); a.Helper != "" {
		stored := types.AuthConfig{ServerAddress: key, Username: username, Password: secret}
		if err := file.GetCredentialsStore(key).Store(stored); err != nil {
			return Account{}, fmt.Errorf("credential helper %s: %w", a.Helper, err)
		}
		return a, nil
	}
	a.File = file.GetFilename()
	file.AuthConfigs[key] = types.AuthConfig{ServerAddress: key, Username: username, Password: secret}
	if err := file.Save(); err != nil {
		return Account{}, fmt.Errorf("storing the credentials: %w", err)
	}
	// The file may have been readable to others before there was a secret in it.
	if err := os.Chmod(a.File, 0o600); err != nil {
		return Account{}, fmt.Errorf("keeping the credentials from others: %w", err)
	}
	return a, nil
}

func helperOf(own, common string) string {
	if own != "" {
		return own
	}
	return common
}

// accountKey is how Docker's configuration names a registry.
func accountKey(l Location) (string, error) {
	registry, err := name.NewRegistry(l.Host)
	if err != nil {
		return "", schema.Invalidf("server", "", "%q is not the host of a registry", l.Host)
	}
	if registry.RegistryStr() == name.DefaultRegistry {
		return authn.DefaultAuthKey, nil
	}
	return registry.RegistryStr(), nil
}

// tryCredentials asks the registry for what only those with credentials get.
func tryCredentials(ctx context.Context, l Location, username, secret string) error {
	opts := Options{credentials: authn.FromConfig(authn.AuthConfig{Username: username, Password: secret})}.withDefaults()
	c, err := connect(ctx, l, opts)
	if err != nil {
		return err
	}
	const what = "checking the credentials"
	resp, err := c.do(ctx, request{what: what, method: http.MethodGet, url: ""})
	if err == nil && resp.StatusCode != http.StatusOK {
		err = c.problem(what, resp)
	} else if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProblem))
		resp.Body.Close()
	}
	if isDenied(err) || errors.Is(err, zoo.ErrNotFound) {
		return schema.Invalidf("credentials", "", "%s does not accept them for the user %q", l.Host, username)
	}
	return err
}

// Logout removes the stored credentials for a server, and reports whether there were any.
func Logout(server string) (host string, had bool, err error) {
	l, err := ParseServer(server)
	if err != nil {
		return "", false, err
	}
	key, err := accountKey(l)
	if err != nil {
		return "", false, err
	}
	file, err := config.Load(os.Getenv("DOCKER_CONFIG"))
	if err != nil {
		return "", false, fmt.Errorf("the configuration of Docker: %w", err)
	}
	store := file.GetCredentialsStore(key)
	known, err := store.Get(key)
	if err != nil {
		return "", false, fmt.Errorf("credentials for %s: %w", l.Host, err)
	}
	if known.Username == "" && known.IdentityToken == "" && known.RegistryToken == "" {
		return l.Host, false, nil
	}
	return l.Host, true, store.Erase(key)
}
