package oci

import (
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
)

// WithKeptFrom makes downloads worth keeping from a size on.
func WithKeptFrom(o Options, size int64) Options {
	o.keptFrom = size
	return o
}

// Follow asks for an address as if a registry at host had led there.
func Follow(host, target string) error {
	rt, err := newTransport(Location{Scheme: "oci", Host: host})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// WithToken uses a token instead of stored credentials.
func WithToken(o Options, token string) Options {
	o.credentials = authn.FromConfig(authn.AuthConfig{Username: "token", Password: token})
	return o
}
