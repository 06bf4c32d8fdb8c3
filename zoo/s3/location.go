package s3

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/reprise-ml/reprise/schema"
)

// Scheme is that of the URLs of these stores.
const Scheme = "s3"

// Location is where a store lives. All but the bucket may be empty.
type Location struct {
	Bucket string
	// Prefix has no slash at its ends.
	Prefix string
	// Endpoint is scheme, host and port of the server; Amazon's if empty.
	Endpoint string
	// Region is looked up, where the server is Amazon's, or us-east-1.
	Region string
	// PathStyle puts the bucket into the path of URLs, not into the host's name; if it is nil, the endpoint decides.
	PathStyle *bool
	// Profile is that of the shared credentials file. If it is set, credentials come from there alone.
	Profile string
	// CA is a file of certificates to trust beside the system's.
	CA string
}

// The parameters of a store's URL.
const (
	paramEndpoint  = "endpoint"
	paramRegion    = "region"
	paramPathStyle = "path-style"
	paramProfile   = "profile"
	paramCA        = "ca"
)

var params = []string{paramEndpoint, paramRegion, paramPathStyle, paramProfile, paramCA}

// credentialsHint is what to do instead of writing a secret into a URL, which ends up in logs and histories.
const credentialsHint = "put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into ~/.aws/credentials"

// Parse reads s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path-style=true&profile=NAME&ca=FILE. Of what is left out, the
// endpoint is taken from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, the region from AWS_REGION or AWS_DEFAULT_REGION, and the
// file of certificates from AWS_CA_BUNDLE. What is wrong is *schema.Invalid. Credentials in the URL are refused, and no error
// repeats them.
func Parse(place string) (Location, error) {
	const document = "the store's URL"
	u, err := url.Parse(place)
	if err != nil {
		// The parser's error repeats the whole URL.
		return Location{}, schema.Invalidf(document, "", "cannot be read; it looks like s3://BUCKET/PREFIX?endpoint=https://HOST")
	}
	if u.User != nil {
		return Location{}, refuse(document, "", credentialsHint, "holds credentials")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return Location{}, schema.Invalidf(document, "", "its parameters cannot be read; a & or # inside a value is written %%26 or %%23")
	}
	for name, values := range query {
		if !slices.Contains(params, name) {
			if secretive.MatchString(name) {
				return Location{}, refuse(document, "", credentialsHint, "holds credentials")
			}
			return Location{}, refuse(document, name, "known are "+strings.Join(params, ", "), "is no parameter of a store")
		}
		if len(values) > 1 || values[0] == "" {
			return Location{}, schema.Invalidf(document, name, "needs one value")
		}
	}
	l := Location{
		Bucket:   u.Host,
		Prefix:   strings.Trim(u.Path, "/"),
		Endpoint: cmp.Or(query.Get(paramEndpoint), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")),
		Region:   cmp.Or(query.Get(paramRegion), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		Profile:  query.Get(paramProfile),
		CA:       cmp.Or(query.Get(paramCA), os.Getenv("AWS_CA_BUNDLE")),
	}
	if err := s3utils.CheckValidBucketName(l.Bucket); err != nil || u.Port() != "" {
		return Location{}, refuse(document, "", "it looks like s3://BUCKET/PREFIX; a server is named with ?endpoint=", "%q is not the name of a bucket", l.Bucket)
	}
	if l.Prefix != "" {
		for part := range strings.SplitSeq(l.Prefix, "/") {
			if !prefixPart.MatchString(part) || part == "." || part == ".." {
				return Location{}, schema.Invalidf(document, "", "%q cannot be part of a prefix: letters, digits, and any of ! - _ . * ' ( )", part)
			}
		}
	}
	if style := query.Get(paramPathStyle); style != "" {
		b, err := strconv.ParseBool(style)
		if err != nil {
			return Location{}, schema.Invalidf(document, paramPathStyle, "is true or false, not %q", style)
		}
		l.PathStyle = &b
	}
	if l.Endpoint, err = endpoint(l.Endpoint); err != nil {
		return Location{}, err
	}
	return l, nil
}

func refuse(document, path, hint, format string, args ...any) error {
	return &schema.Invalid{Document: document, Problems: []schema.Problem{{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}}}
}

var (
	// secretive parameters are those that other programs take credentials from.
	secretive = regexp.MustCompile(`(?i)key|secret|token|password|credential|signature|user`)
	// prefixPart has the characters that S3 calls safe.
	prefixPart = regexp.MustCompile(`^[A-Za-z0-9!_.*'()-]{1,255}$`)
)

// amazon is the endpoint of Amazon S3.
const amazon = "https://s3.amazonaws.com"

// endpoint completes the spelling of an endpoint: https unless it says http.
func endpoint(text string) (string, error) {
	const document = "the store's endpoint"
	if text == "" {
		return amazon, nil
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", schema.Invalidf(document, "", "cannot be read; it looks like https://HOST or http://HOST:PORT")
	case u.User != nil:
		return "", refuse(document, "", credentialsHint, "holds credentials")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", refuse(document, "", "a bucket and prefix are named with s3://BUCKET/PREFIX", "has more than a host and a port")
	}
	return u.Scheme + "://" + u.Host, nil
}

// String names the place in messages.
func (l Location) String() string {
	s := Scheme + "://" + l.Bucket
	if l.Prefix != "" {
		s += "/" + l.Prefix
	}
	if l.Endpoint != amazon {
		s += " at " + l.Endpoint
	}
	return s
}
