package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/directory"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestOpen(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	place := server.Place()
	_, err := s3.Open(t.Context(), place, s3.Options{})
	if !errors.Is(err, zoo.ErrNotFound) {
		t.Errorf("a store that is not there: %v", err)
	}
	if keys, err := server.Keys(place); err != nil || len(keys) > 0 {
		t.Errorf("opening made %v, %v", keys, err)
	}
	create(t, place, s3.Options{})
	create(t, place, s3.Options{})
	s, err := s3.Open(t.Context(), place, s3.Options{})
	check(t, err)
	if s.Capabilities().ConditionalWrites {
		t.Error("conditional writes are promised, and were not tried")
	}
	check(t, s.PutVersion(t.Context(), "mnist", "1.0.0", storetest.EntryFor("a")))
	if !s.Capabilities().ConditionalWrites {
		t.Error("conditional writes were tried, and are not promised")
	}
	for _, c := range []struct{ name, path, content, says string }{
		{"another layout", zoo.LayoutPath, `{"imageLayoutVersion":"2.0.0"}`, "only 1.0.0 is known"},
		{"no layout", zoo.LayoutPath, `{`, "cannot be read"},
		{"other things", "notes.txt", "hello", "not empty (it has notes.txt)"},
	} {
		place := server.Place()
		_, err := server.Client().PutObject(t.Context(), s3test.Bucket, s3test.Key(place, c.path), strings.NewReader(c.content), int64(len(c.content)), minio.PutObjectOptions{})
		check(t, err)
		if _, err := s3.Create(t.Context(), place, s3.Options{}); !errors.As(err, new(*schema.Invalid)) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	plain, secure := s3test.Versitygw.Start(t, false), s3test.Versitygw.Start(t, true)
	_, host, _ := strings.Cut(plain.Endpoint, "://")
	for _, c := range []struct {
		name, place string
		env         map[string]string
		says        string
	}{
		{"no bucket", "s3://another?endpoint=" + plain.Endpoint, nil, "there is no bucket another at " + plain.Endpoint},
		{"unknown certificate", "s3://archive?endpoint=" + secure.Endpoint, nil, "name the file of its certificate with ca=FILE"},
		{"no TLS", "s3://archive?endpoint=" + host, nil, "spell the endpoint with http://"},
		{"wrong secret", plain.Place(), map[string]string{"AWS_SECRET_ACCESS_KEY": "SECRET-that-is-wrong"}, "does not accept the credentials"},
		{"wrong key", plain.Place(), map[string]string{"AWS_ACCESS_KEY_ID": "nobody"}, "does not accept the credentials"},
		{"no credentials", plain.Place(), map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": t.TempDir()}, "no credentials were found"},
		{"no file of certificates", plain.Place() + "&ca=none.pem", nil, "none.pem"},
		{"a file of no certificates", plain.Place() + "&ca=/dev/null", nil, "holds no certificate"},
		{"no such profile", plain.Place() + "&profile=nobody", map[string]string{"HOME": t.TempDir()}, "no credentials of this profile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			_, err := s3.Create(t.Context(), c.place, s3.Options{})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got error %v, want %q", err, c.says)
			}
			if strings.Contains(err.Error(), "SECRET-") || errors.Is(err, zoo.ErrNotFound) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// Credentials are found where other tools look for them.
func TestCredentials(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	place := server.Place()
	create(t, place, s3.Options{})
	home := t.TempDir()
	check(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	file := fmt.Sprintf("[default]\naws_access_key_id = other\naws_secret_access_key = other\n[lab]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s3test.AccessKey, s3test.SecretKey)
	check(t, os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte(file), 0o600))
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":%q}`, s3test.AccessKey, s3test.SecretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer container.Close()
	for _, c := range []struct {
		name string
		more string
		env  map[string]string
	}{
		{"environment of Amazon's tools", "", map[string]string{"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": s3test.SecretKey}},
		{"environment of MinIO's tools", "", map[string]string{"MINIO_ACCESS_KEY": s3test.AccessKey, "MINIO_SECRET_KEY": s3test.SecretKey}},
		{"profile in the environment", "", map[string]string{"HOME": home, "AWS_PROFILE": "lab"}},
		{"profile in the URL", "&profile=lab", map[string]string{"HOME": home, "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other"}},
		{"role of a container", "", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			if _, err := s3.Open(t.Context(), place+c.more, s3.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// The tree in a bucket is the tree in a directory: either is a store when its files are copied.
func TestCopiedTree(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	first, second := server.Place(), server.Place()
	s := create(t, first, s3.Options{})
	o := storetest.Object("alice/mnist", "1.0.0", "text")
	e, err := zoo.Publish(t.Context(), s, o, zoo.PublishOptions{Tags: []string{"best"}})
	check(t, err)
	check(t, s.SwapTag(t.Context(), "alice/mnist", "gone", schema.Digest{}, e))
	check(t, s.DeleteTag(t.Context(), "alice/mnist", "gone", e.Digest))
	keys, err := server.Keys(first)
	check(t, err)
	root := t.TempDir()
	for _, key := range keys {
		check(t, server.Client().FGetObject(t.Context(), s3test.Bucket, s3test.Key(first, key), filepath.Join(root, key), minio.GetObjectOptions{}))
		_, err := server.Client().FPutObject(t.Context(), s3test.Bucket, s3test.Key(second, key), filepath.Join(root, key), minio.PutObjectOptions{})
		check(t, err)
	}
	inDirectory, err := directory.Open(root)
	check(t, err)
	inBucket, err := s3.Open(t.Context(), second, s3.Options{})
	check(t, err)
	for _, s := range []zoo.Store{inDirectory, inBucket} {
		r, err := zoo.Resolve(t.Context(), s, "alice/mnist:best")
		if err != nil || r.Entry != e {
			t.Errorf("%+v, %v", r, err)
		}
		if tags, err := s.Tags(t.Context(), "alice/mnist"); err != nil || !slices.Equal(tags, []string{"best"}) {
			t.Errorf("tags: %q, %v", tags, err)
		}
		if _, err := s.Tag(t.Context(), "alice/mnist", "gone"); !errors.Is(err, zoo.ErrNotFound) {
			t.Errorf("a deleted tag: %v", err)
		}
		wantSound(t, s)
	}
	// No key is the folder of another: servers that keep objects as files cannot hold both.
	all := map[string]bool{}
	for _, key := range keys {
		all[key] = true
	}
	for _, key := range keys {
		for folder := filepath.Dir(key); folder != "."; folder = filepath.Dir(folder) {
			if all[folder] {
				t.Errorf("%s is a folder and an object", folder)
			}
		}
	}
}

func TestPresign(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	s := create(t, server.Place(), s3.Options{})
	b, d := blob(1000)
	check(t, put(t.Context(), s, b))
	origin, err := s.PresignOrigin(t.Context())
	if err != nil || origin != server.Endpoint {
		t.Errorf("origin %q, %v", origin, err)
	}
	u, err := s.PresignBlob(t.Context(), d, time.Minute)
	check(t, err)
	if strings.Contains(u, s3test.SecretKey) {
		t.Errorf("the URL shows a secret: %s", u)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	check(t, err)
	r.Header.Set("Range", "bytes=10-19")
	resp, err := http.DefaultClient.Do(r)
	check(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusPartialContent || string(got) != string(b[10:20]) {
		t.Errorf("%s: %q, %v", resp.Status, got, err)
	}
	if resp.Header.Get("Content-Type") != "application/octet-stream" || resp.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("headers %v", resp.Header)
	}
	if _, err := s.PresignBlob(t.Context(), schema.Digest{}, time.Minute); !errors.As(err, new(*schema.Invalid)) {
		t.Errorf("the zero digest: %v", err)
	}
}

// Uploads that nobody goes on with are counted and swept.
func TestSweepUploads(t *testing.T) {
	server := s3test.Versitygw.Start(t, false)
	place := server.Place()
	s := create(t, place, s3.Options{PartSize: 5 * mib})
	b, d := blob(12 * mib)
	broken := errors.New("the line was cut")
	err := s.Put(t.Context(), d, int64(len(b)), io.MultiReader(strings.NewReader(string(b[:11*mib])), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Fatalf("got error %v", err)
	}
	if left, err := s.SweepUploads(t.Context(), time.Now().Add(-time.Hour), false); err != nil || left != (zoo.Leftovers{}) {
		t.Errorf("of young uploads %+v were swept, %v", left, err)
	}
	want := zoo.Leftovers{Files: 1, Bytes: 10 * mib}
	for _, countOnly := range []bool{true, false} {
		if left, err := s.SweepUploads(t.Context(), time.Now().Add(time.Hour), countOnly); err != nil || left != want {
			t.Errorf("left over: %+v, %v; want %+v", left, err, want)
		}
	}
	keys, err := server.Keys(place)
	if err != nil || len(keys) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
	check(t, put(t.Context(), s, b))
}
