package oci

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// newTransport is the HTTP below authentication.
func newTransport(l Location) (http.RoundTripper, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(l.CA)
		if err != nil {
			return nil, fmt.Errorf("certificates of %s: %w", l.Host, err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, schema.Invalidf(l.CA, "", "holds no certificate in PEM form")
		}
		config.RootCAs = pool
	}
	return &guard{registry: l.Host, scheme: l.Scheme, inner: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   20 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // ranges and sizes are those of the stored bytes
	}}, nil
}

// errRefused is wrapped by what the guard refuses.
var errRefused = errors.New("refused")

// guard is where every request passes, also those of the token flow and of redirects. It keeps plain HTTP on this machine, does
// not let a registry elsewhere lead to addresses inside, and gives every attempt its body from the beginning.
type guard struct {
	registry string
	scheme   string // of the location; https admits nothing else
	inner    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(in *http.Request) (*http.Response, error) {
	host := in.URL.Host
	switch {
	case in.URL.Scheme == "http" && (g.scheme == "https" || !isLoopback(host)):
		return nil, fmt.Errorf("%w: %s over plain HTTP, which is for this machine only", errRefused, host)
	case host != g.registry && isInternal(host) && !isInternal(g.registry):
		return nil, fmt.Errorf("%w: %s leads to %s, an address inside", errRefused, g.registry, host)
	}
	out := in.Clone(in.Context())
	if in.GetBody != nil && in.Body != nil && in.Body != http.NoBody {
		// Authentication sends a request again when its token has expired, by when the body has been read.
		body, err := in.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "reprise")
	}
	return g.inner.RoundTrip(out)
}
