// Package s3test starts servers of S3 for tests: versitygw, and MinIO's in longer runs.
package s3test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// The credentials of every server. The secret is one that a test can look for.
const (
	AccessKey = "reprise-test"
	SecretKey = "SECRET-never-to-be-shown"
	Bucket    = "archive"
)

// Program is a server that tests can start. Make puts it where it is looked for.
type Program struct {
	Name, Version string
	command       func(binary, address, dir string, cert, key string) *exec.Cmd
	health        string
}

// Versitygw is what tests run against: an independent server with the semantics of Amazon's.
var Versitygw = Program{"versitygw", "v1.8.0", versitygw, "/health"}

func versitygw(binary, address, dir, cert, key string) *exec.Cmd {
	args := []string{"--port", address, "--health", "/health", "--quiet", "--keep-alive"}
	if cert != "" {
		args = append(args, "--cert", cert, "--key", key)
	}
	c := exec.Command(binary, append(args, "posix", dir)...)
	c.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	return c
}

// MinIO is the second server, of longer runs.
var MinIO = Program{"minio", "v0.0.0-20260212201848-7aac2a2c5b7c", minioServer, "/minio/health/live"}

func minioServer(binary, address, dir, _, _ string) *exec.Cmd {
	c := exec.Command(binary, "server", "--quiet", "--address", address, dir) // without TLS
	c.Env = append(os.Environ(), "MINIO_ROOT_USER="+AccessKey, "MINIO_ROOT_PASSWORD="+SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	return c
}

// errMissing says that a program is not there.
var errMissing = errors.New("is not installed")

// binary finds a program in bin/tools of the repository, where make puts it.
func (p Program) binary() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the tests run outside of the repository")
		}
	}
	path := filepath.Join(dir, "bin", "tools", p.Name+"-"+p.Version)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s %w: make tools", p.Name, errMissing)
	}
	return path, nil
}

// Server is a running server with an empty bucket.
type Server struct {
	// Endpoint is scheme, host and port.
	Endpoint string
	// CA is the file of its certificate, or empty.
	CA string
	// Dir is where it keeps its objects.
	Dir string

	client   *minio.Client
	process  *exec.Cmd
	ended    chan struct{}
	output   bytes.Buffer
	prefixes atomic.Int64
}

// Start starts a server for a test. Without the program the test is skipped, and fails where CI is set.
func (p Program) Start(t testing.TB, secure bool) *Server {
	t.Helper()
	s, err := p.Launch(t.TempDir(), secure)
	if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Launch starts a server whose files lie in a directory. Stop ends it.
func (p Program) Launch(dir string, secure bool) (*Server, error) {
	binary, err := p.binary()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: filepath.Join(dir, "data")}
	if err := os.Mkdir(s.Dir, 0o777); err != nil {
		return nil, err
	}
	scheme, key := "http", ""
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if secure {
		scheme = "https"
		var pool *x509.CertPool
		if s.CA, key, pool, err = certificate(dir); err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s.Endpoint = scheme + "://" + address
	s.process = p.command(binary, address, s.Dir, s.CA, key)
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.run(); err != nil {
		return nil, err
	}
	s.client, err = minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Secure: secure, Transport: transport, Region: "us-east-1"})
	if err == nil {
		err = s.wait(&http.Client{Transport: transport, Timeout: time.Second}, p.health)
	}
	if err == nil {
		err = s.client.MakeBucket(context.Background(), Bucket, minio.MakeBucketOptions{})
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", p.Name, err, s.output.String())
	}
	return s, nil
}

// run runs the server until it ends. The thread stays, since the server is told to end with the thread that started it.
func (s *Server) run() error {
	dieWithParent(s.process)
	started := make(chan error)
	s.ended = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := s.process.Start()
		started <- err
		if err == nil {
			_ = s.process.Wait()
		}
	}()
	return <-started
}

// wait waits until the server answers.
func (s *Server) wait(client *http.Client, health string) error {
	var last error
	for range 300 {
		resp, err := client.Get(s.Endpoint + health)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("it does not start: %w", last)
}

// Stop ends the server.
func (s *Server) Stop() {
	_ = s.process.Process.Kill()
	<-s.ended
}

// Client is a client that is none of this module's.
func (s *Server) Client() *minio.Client { return s.client }

// Place is the URL of a store that no other test uses.
func (s *Server) Place() string { return s.PlaceAt(s.Endpoint) }

// PlaceAt is Place behind another endpoint, such as that of a proxy.
func (s *Server) PlaceAt(endpoint string) string {
	q := url.Values{"endpoint": {endpoint}}
	if s.CA != "" {
		q.Set("ca", s.CA)
	}
	return fmt.Sprintf("s3://%s/test/%d?%s", Bucket, s.prefixes.Add(1), q.Encode())
}

// Keys lists what lies under the prefix of a place.
func (s *Server) Keys(place string) ([]string, error) {
	u, err := url.Parse(place)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimPrefix(u.Path, "/") + "/"
	var keys []string
	for o := range s.client.ListObjectsIter(context.Background(), u.Host, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		keys = append(keys, strings.TrimPrefix(o.Key, prefix))
	}
	return keys, nil
}

// Key is the key of a path of the tree in a place.
func Key(place, path string) string {
	u, err := url.Parse(place)
	if err != nil {
		panic(err) // places are made above
	}
	return strings.TrimPrefix(u.Path, "/") + "/" + path
}

// SetCredentials puts the credentials into the environment, and takes all others out of it.
func SetCredentials() {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MINIO_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_ACCESS_KEY_ID", AccessKey)
	os.Setenv("AWS_SECRET_ACCESS_KEY", SecretKey)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// certificate makes one for this machine, which nobody but the holder of the file trusts.
func certificate(dir string) (certFile, keyFile string, pool *x509.CertPool, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "s3test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", nil, err
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, certPEM, 0o600); err != nil {
		return "", "", nil, err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return "", "", nil, err
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool, nil
}
