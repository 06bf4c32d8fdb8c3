package oci

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// Location is where a store is: what follows --store.
type Location struct {
	// Scheme is oci, http or https. The latter two are Reprise servers.
	Scheme string
	// Host is the registry, with its port if it has one.
	Host string
	// Prefix is the repository below which the names are, or empty.
	Prefix string
	// CA is a file of certificates (PEM) to trust besides the system's, or empty.
	CA string
}

// prefixText is the path of a repository.
var prefixText = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// maxPrefix leaves room for a name: registries take 255 characters of host, prefix and name.
const maxPrefix = 96

// ParseLocation reads oci://HOST[:PORT][/PREFIX], https://SERVER or http://SERVER, each with an optional ?ca=FILE. Plain HTTP
// is for this machine only. What is refused is *schema.Invalid.
func ParseLocation(place string) (Location, error) {
	refuse := func(format string, args ...any) (Location, error) {
		return Location{}, schema.Invalidf("store", "", format, args...)
	}
	u, err := url.Parse(place)
	if err != nil {
		return refuse("is not a URL such as oci://registry.example.org/zoo") // the parser's error would repeat a password
	}
	l := Location{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host), Prefix: strings.Trim(u.Path, "/")}
	switch {
	case l.Scheme != "oci" && l.Scheme != "http" && l.Scheme != "https":
		return refuse("%q is neither oci://, https:// nor http://", u.Scheme)
	case u.User != nil:
		return refuse("has credentials in its URL, where others can read them: use reprise login %s", l.Host)
	case u.Hostname() == "":
		return refuse("names no host: write %s://registry.example.org", l.Scheme)
	case u.Fragment != "":
		return refuse("%q does not belong into the URL of a store", "#"+u.Fragment)
	case l.Prefix != "" && !prefixText.MatchString(l.Prefix):
		return refuse("%q is not the path of a repository: use lower-case letters and digits, with . _ or - between them", l.Prefix)
	case len(l.Prefix) > maxPrefix:
		return refuse("the path %.20q… has more than %d characters", l.Prefix, maxPrefix)
	case l.Prefix != "" && l.Scheme != "oci":
		return refuse("a Reprise server has no path: write %s://%s", l.Scheme, l.Host)
	case l.Scheme == "http" && !isLoopback(l.Host):
		return refuse("plain HTTP is for this machine only: use https://%s", l.Host)
	}
	for key, values := range u.Query() {
		if key != "ca" || len(values) != 1 {
			return refuse("%q is not an option of such a store; there is ca=FILE", key)
		}
		l.CA = values[0]
	}
	return l, nil
}

// String is the location without its options.
func (l Location) String() string {
	s := l.Scheme + "://" + l.Host
	if l.Prefix != "" {
		s += "/" + l.Prefix
	}
	return s
}

// hostname is a host without its port.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// isLoopback reports whether a host, with or without port, is this machine.
func isLoopback(host string) bool {
	h := hostname(host)
	if h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(h)
	return err == nil && ip.IsLoopback()
}

// isInternal reports whether a host is an address that only this machine or its network can reach.
func isInternal(host string) bool {
	if isLoopback(host) {
		return true
	}
	ip, err := netip.ParseAddr(hostname(host))
	return err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}
