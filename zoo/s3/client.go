package s3

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/reprise-ml/reprise/schema"
)

// stallTimeout ends a connection on which nothing moves: long enough for a server that puts a large object together.
const stallTimeout = 2 * time.Minute

// socketBuffer keeps the number of system calls of a large blob low.
const socketBuffer = 64 << 10

// assembleTimeout is stallTimeout for the end of a multipart upload. Servers that copy the parts take minutes for a large blob, say nothing
// meanwhile, and begin once more if they are asked again. A server that is gone is noticed by TCP.
const assembleTimeout = time.Hour

// clients are those of a place: assembling waits long, and is for the ends of multipart uploads.
type clients struct {
	core, assembling *minio.Core
	signed           bool // requests carry a signature
}

func newClients(ctx context.Context, l Location, stall time.Duration) (c clients, err error) {
	u, err := url.Parse(l.Endpoint)
	if err != nil {
		return c, err
	}
	creds, signed, err := credentialsOf(l, *u)
	if err != nil {
		return c, err
	}
	c.signed = signed
	if c.core, err = newClient(l, u, creds, stall); err != nil {
		return c, err
	}
	if c.assembling, err = newClient(l, u, creds, max(stall, assembleTimeout)); err != nil {
		return c, err
	}
	return c, ctx.Err()
}

func newClient(l Location, u *url.URL, creds *credentials.Credentials, stall time.Duration) (*minio.Core, error) {
	secure := u.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return stallConn{c, stall}, nil
	}
	transport.ResponseHeaderTimeout = stall
	transport.ReadBufferSize, transport.WriteBufferSize = socketBuffer, socketBuffer
	if l.CA != "" {
		pool, err := certificates(l.CA)
		if err != nil {
			return nil, err
		}
		if secure {
			transport.TLSClientConfig.RootCAs = pool
		}
	}
	o := &minio.Options{Creds: creds, Secure: secure, Transport: patient{transport}, Region: region(l, *u)}
	if l.PathStyle != nil {
		o.BucketLookup = minio.BucketLookupDNS
		if *l.PathStyle {
			o.BucketLookup = minio.BucketLookupPath
		}
	}
	core, err := minio.NewCore(u.Host, o)
	if err != nil {
		return nil, schema.Invalidf("the store's endpoint", "", "%v", err)
	}
	return core, nil
}

// region is the region that requests are signed for. Only Amazon has several; it tells the bucket's if none is named.
func region(l Location, u url.URL) string {
	if l.Region == "" && !s3utils.IsAmazonEndpoint(u) {
		return "us-east-1"
	}
	return l.Region
}

func certificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, schema.Invalidf("the certificates of the store", "", "%v", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // systems without one
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, schema.Invalidf("the certificates of the store", "", "%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// credentialsOf finds credentials where the tools of Amazon and MinIO do: the environment, the shared file, and the machine's
// or container's own role. Without any, requests are not signed: a public bucket can be read.
func credentialsOf(l Location, u url.URL) (creds *credentials.Credentials, signed bool, err error) {
	file := &credentials.FileAWSCredentials{Profile: l.Profile}
	if l.Profile != "" {
		creds = credentials.New(file)
		if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" {
			return nil, false, refuse("the shared credentials file", l.Profile, "see ~/.aws/credentials, or $AWS_SHARED_CREDENTIALS_FILE", "there are no credentials of this profile")
		}
		return creds, true, nil
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.EnvMinio{}, file}
	if asksForRole(u) {
		chain = append(chain, &credentials.IAM{
			Client:   &http.Client{Timeout: roleTimeout, Transport: http.DefaultTransport},
			Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
		})
	}
	creds = credentials.NewChainCredentials(chain)
	v, err := creds.GetWithContext(nil)
	if err != nil || v.AccessKeyID == "" {
		// Said once: the chain would look everywhere again for each request.
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), false, nil
	}
	return creds, true, nil
}

// roleTimeout bounds the question to a machine's metadata service, which answers at once where there is one.
const roleTimeout = 5 * time.Second

// asksForRole reports whether the machine may have a role: containers say so, and machines of Amazon are asked if the bucket
// is there too.
func asksForRole(u url.URL) bool {
	for _, name := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return s3utils.IsAmazonEndpoint(u) && !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true")
}

// stallConn is a connection that fails when nothing moves for a while, however long a transfer takes as a whole.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (c stallConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c stallConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// patient waits as long as an overloaded server asks, within reason, before it passes the answer on to who asks again.
type patient struct{ http.RoundTripper }

// maxPatience is as long as a server can make a request wait.
const maxPatience = 30 * time.Second

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.RoundTripper.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusTooManyRequests {
		return resp, err
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return resp, nil
	}
	if err := pause(r.Context(), min(time.Duration(seconds)*time.Second, maxPatience)); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
