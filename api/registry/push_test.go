package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api/registry"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// noise is n bytes that look random.
func noise(n int) string {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = source.Read(b)
	return string(b)
}

func TestPushWays(t *testing.T) {
	b := newBench(t)
	text := noise(300_000)
	d := digestOf(text)
	put := func(at string, body any, headers ...string) answer {
		t.Helper()
		a := b.want(201, "", "PUT", at+"?digest="+d, body, headers...)
		a.header(t, "Location", "/v2/mnist/blobs/"+d)
		a.header(t, "Docker-Content-Digest", d)
		b.want(200, "", "GET", a.Header.Get("Location"), nil)
		b.stored(text)
		return a
	}
	t.Run("one POST", func(t *testing.T) { b.push("mnist", text) })
	t.Run("POST and PUT", func(t *testing.T) { put(b.begin("mnist"), text) })
	t.Run("a stream", func(t *testing.T) {
		at := b.begin("mnist")
		b.want(202, "", "PATCH", at, io.MultiReader(strings.NewReader(text))).header(t, "Range", "0-299999")
		put(at, nil)
	})
	t.Run("chunks", func(t *testing.T) {
		at := b.begin("mnist")
		b.want(204, "", "GET", at, nil).header(t, "Upload-Offset", "0")
		for from := 0; from < 200_000; from += 50_000 {
			a := b.want(202, "", "PATCH", at, text[from:from+50_000], "Content-Range", fmt.Sprintf("%d-%d", from, from+49_999))
			a.header(t, "Range", fmt.Sprintf("0-%d", from+49_999))
			b.want(204, "", "GET", at, nil).header(t, "Range", fmt.Sprintf("0-%d", from+49_999))
		}
		put(at, text[200_000:], "Content-Range", "200000-299999")
		// The answer may have been lost, and the client asks again.
		put(at, nil)
	})
	t.Run("mounts", func(t *testing.T) {
		a := b.want(201, "", "POST", "/v2/ada/other/blobs/uploads/?mount="+d+"&from=mnist", nil)
		a.header(t, "Location", "/v2/ada/other/blobs/"+d)
		b.want(201, "", "POST", "/v2/ada/third/blobs/uploads/?mount="+d, nil)
		b.want(202, "", "POST", "/v2/ada/other/blobs/uploads/?mount="+digestOf("none")+"&from=mnist", nil)
		b.want(400, "DIGEST_INVALID", "POST", "/v2/ada/other/blobs/uploads/?mount=x", nil)
	})
	t.Run("nothing", func(t *testing.T) {
		b.push("mnist", "")
		b.want(201, "", "PUT", b.begin("mnist")+"?digest="+digestOf(""), nil)
	})
	b.sound()
	b.spooled(2) // those that the mounts have begun, and nobody has gone on with: one, and the first
}

// spooled checks how many uploads wait, at most.
func (b *bench) spooled(most int) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "spool", "*.data"))
	check(b, err)
	if len(files) > most {
		b.Errorf("%d uploads are in the spool, want at most %d", len(files), most)
	}
}

func TestPushRefuses(t *testing.T) {
	b := newBench(t)
	t.Run("wrong offsets", func(t *testing.T) {
		at := b.begin("mnist")
		b.want(416, "0 bytes have arrived", "PATCH", at, "abc", "Content-Range", "1-3").header(t, "Upload-Offset", "0")
		b.want(202, "", "PATCH", at, "abc", "Content-Range", "0-2")
		for _, wrong := range []string{"0-2", "2-4", "4-6"} {
			b.want(416, "3 bytes have arrived", "PATCH", at, "abc", "Content-Range", wrong).header(t, "Range", "0-2")
		}
		b.want(416, "3 bytes", "PUT", at+"?digest="+digestOf("abcabc"), "abc", "Content-Range", "0-2")
		for _, bad := range []string{"bytes 3-5/6", "3", "5-3", "a-b", "3-99999999999999999999"} {
			b.want(400, "BLOB_UPLOAD_INVALID", "PATCH", at, "abc", "Content-Range", bad)
		}
		b.want(400, "SIZE_INVALID", "PATCH", at, "abc", "Content-Range", "3-9")
		b.want(201, "", "PUT", at+"?digest="+digestOf("abcdef"), "def", "Content-Range", "3-5")
		b.stored("abcdef")
	})
	t.Run("wrong digests", func(t *testing.T) {
		b.want(400, "DIGEST_INVALID", "POST", "/v2/mnist/blobs/uploads/?digest="+digestOf("other"), "text")
		at := b.begin("mnist")
		b.want(400, "DIGEST_INVALID", "PUT", at, "text")
		b.want(400, "DIGEST_INVALID", "PUT", at+"?digest=sha512:00", "text")
		b.want(400, digestOf("text"), "PUT", at+"?digest="+digestOf("other"), "text")
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", at, nil)
		b.want(404, "", "HEAD", "/v2/mnist/blobs/"+digestOf("text"), nil)
		b.want(404, "", "HEAD", "/v2/mnist/blobs/"+digestOf("other"), nil)
		b.want(400, "sha256", "POST", "/v2/mnist/blobs/uploads/?digest-algorithm=sha512", nil)
	})
	t.Run("uploads of another name", func(t *testing.T) {
		at := strings.Replace(b.begin("mnist"), "/mnist/", "/cifar/", 1)
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, "text")
	})
	t.Run("what was cancelled", func(t *testing.T) {
		at := b.begin("mnist")
		b.want(202, "", "PATCH", at, "abc")
		b.want(204, "", "DELETE", at, nil)
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, "abc")
		b.want(404, "BLOB_UPLOAD_UNKNOWN", "DELETE", at, nil)
	})
	b.sound()
}

// An upload goes on in another process, also if the first was killed before it had written down how far it was.
func TestResumeAfterRestart(t *testing.T) {
	text := noise(500_000)
	for _, killed := range []bool{false, true} {
		b := newBench(t)
		at := strings.TrimPrefix(b.begin("mnist"), b.url)
		b.want(202, "", "PATCH", at, text[:200_000])
		states, err := filepath.Glob(filepath.Join(b.dir, "spool", "*.json"))
		check(t, err)
		early, err := os.ReadFile(states[0])
		check(t, err)
		b.want(202, "", "PATCH", at, text[200_000:300_000])
		b.stop()
		if killed {
			check(t, os.WriteFile(states[0], early, 0o600))
		}
		b.start()
		b.want(204, "", "GET", at, nil).header(t, "Upload-Offset", "300000")
		b.want(202, "", "PATCH", at, text[300_000:400_000], "Content-Range", "300000-399999")
		b.restart()
		b.want(201, "", "PUT", at+"?digest="+digestOf(text), text[400_000:], "Content-Range", "400000-499999")
		b.stored(text)
		b.spooled(0)
	}
}

// cut is a body that ends with an error after n bytes.
func cut(text string, n int) io.Reader {
	return io.MultiReader(strings.NewReader(text[:n]), failing{})
}

type failing struct{}

var errCut = errors.New("the connection was cut")

func (failing) Read([]byte) (int, error) { return 0, errCut }

// What arrived before the connection was cut need not be sent again.
func TestResumeAfterCut(t *testing.T) {
	b := newBench(t)
	text := noise(3_000_000)
	at := b.begin("mnist")
	offset := 0
	for n := 0; offset < len(text); n++ {
		part := text[offset:min(len(text), offset+1_000_000)]
		body := io.Reader(strings.NewReader(part))
		if n%2 == 0 {
			body = cut(part, len(part)/2)
		}
		q, err := http.NewRequestWithContext(t.Context(), "PATCH", at, body)
		check(t, err)
		q.ContentLength = int64(len(part))
		q.Header.Set("Authorization", "Bearer "+b.secret)
		q.Header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, offset+len(part)-1))
		if a, err := http.DefaultClient.Do(q); err == nil {
			a.Body.Close()
		}
		before := offset
		a := b.want(204, "", "GET", at, nil)
		_, err = fmt.Sscan(a.Header.Get("Upload-Offset"), &offset)
		check(t, err)
		if offset < before || offset > before+len(part) {
			t.Fatalf("the offset went from %d to %d", before, offset)
		}
		if n > 1000 {
			t.Fatal("it does not end")
		}
	}
	b.want(201, "", "PUT", at+"?digest="+digestOf(text), nil)
	b.stored(text)
}

// stalled sends a request whose body gives some bytes and then stands still, and returns when the server has that many in all.
func (b *bench) stalled(ctx context.Context, at, text string, until int64) {
	b.Helper()
	r, w := io.Pipe()
	b.Cleanup(func() { w.CloseWithError(errCut) })
	q, err := http.NewRequestWithContext(ctx, "PATCH", at, r)
	check(b, err)
	q.Header.Set("Authorization", "Bearer "+b.secret)
	go func() {
		if a, err := http.DefaultClient.Do(q); err == nil {
			a.Body.Close()
		}
	}()
	_, err = io.WriteString(w, text)
	check(b, err)
	file := filepath.Join(b.dir, "spool", filepath.Base(at)+".data")
	for {
		if info, err := os.Stat(file); err == nil && info.Size() >= until {
			return
		}
		select {
		case <-ctx.Done():
			b.Fatal(ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// An upload that stands still keeps nobody waiting; and whoever lost its connection goes on with another.
func TestStalledUpload(t *testing.T) {
	b := newBench(t)
	at := b.begin("mnist")
	b.stalled(t.Context(), at, "abc", 3)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			text := noise(400_000 + i)
			other := b.begin("mnist")
			b.want(202, "", "PATCH", other, text[:200_000])
			b.want(201, "", "PUT", other+"?digest="+digestOf(text), text[200_000:])
			b.stored(text)
		})
	}
	group.Wait()
	b.want(204, "", "GET", at, nil).header(t, "Upload-Offset", "3")
	b.stalled(t.Context(), at, "def", 6) // which takes the upload over
	b.want(202, "", "PATCH", at, "ghi", "Content-Range", "6-8").header(t, "Range", "0-8")
	b.want(201, "", "PUT", at+"?digest="+digestOf("abcdefghi"), nil)
	b.stored("abcdefghi")
}

// Of many that push the same blob, all succeed.
// Uploads become blobs without being copied, unless an earlier process has seen a part of them.
func TestUploadsAreMoved(t *testing.T) {
	text := noise(100_000)
	for _, restarts := range []bool{false, true} {
		b := newBench(t)
		at := strings.TrimPrefix(b.begin("mnist"), b.url)
		b.want(202, "", "PATCH", at, text[:50_000])
		files, err := filepath.Glob(filepath.Join(b.dir, "spool", "*.data"))
		check(t, err)
		before, err := os.Stat(files[0])
		check(t, err)
		if restarts {
			b.restart()
		}
		b.want(201, "", "PUT", at+"?digest="+digestOf(text), text[50_000:], "Content-Range", "50000-99999")
		d, err := schema.ParseDigest(digestOf(text))
		check(t, err)
		after, err := os.Stat(filepath.Join(b.dir, "zoo", filepath.FromSlash(zoo.BlobPath(d))))
		check(t, err)
		if os.SameFile(before, after) == restarts {
			t.Errorf("restarted %v: moved %v", restarts, !restarts)
		}
		b.stored(text)
		b.spooled(0)
		b.sound()
	}
}

func TestPushTheSameAtOnce(t *testing.T) {
	b := newBench(t)
	text := noise(1_000_000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { b.want(201, "", "PUT", b.begin("mnist")+"?digest="+digestOf(text), text) })
	}
	group.Wait()
	b.stored(text)
	b.spooled(0)
	b.sound()
}

func TestLargestBlob(t *testing.T) {
	b := newBench(t, func(o *registry.Options) { o.MaxBlob = 10 })
	b.push("mnist", "0123456789")
	const long = "0123456789a"
	b.want(413, "at most 10 bytes", "POST", "/v2/mnist/blobs/uploads/?digest="+digestOf(long), long)
	at := b.begin("mnist")
	b.want(202, "", "PATCH", at, "012345678")
	b.want(413, "at most 10 bytes", "PATCH", at, "9a")
	b.want(413, "at most 10 bytes", "PATCH", at, io.MultiReader(strings.NewReader("9a"))) // of unknown length
	b.want(201, "", "PUT", at+"?digest="+digestOf("0123456789"), "9")
}

func TestQuota(t *testing.T) {
	b := newBench(t)
	b.secret = b.token(registry.Token{Scope: registry.ScopePush, Quota: 100})
	b.push("mnist", noise(60))
	at := strings.TrimPrefix(b.begin("mnist"), b.url)
	b.want(202, "", "PATCH", at, noise(30))
	b.want(403, "allows 100 bytes, and 90", "PATCH", at, noise(11))
	b.restart() // what was stored and what waits is still counted
	b.want(204, "", "GET", at, nil).header(t, "Upload-Offset", "30")
	b.want(403, "DENIED", "POST", "/v2/mnist/blobs/uploads/?digest="+digestOf(noise(11)), noise(11))
	b.want(204, "", "DELETE", at, nil)
	b.push("mnist", noise(40))
	b.want(403, "allows 100 bytes, and 100", "POST", "/v2/mnist/blobs/uploads/?digest="+digestOf("x"), "x")
	b.secret = b.token(registry.Token{Scope: registry.ScopePush})
	b.push("mnist", "x")
}

// Uploads that nobody goes on with are forgotten after a week, and not before.
func TestUploadsGivenUp(t *testing.T) {
	b := newBench(t)
	old, young := strings.TrimPrefix(b.begin("mnist"), b.url), strings.TrimPrefix(b.begin("mnist"), b.url)
	b.want(202, "", "PATCH", old, "abc")
	b.stop()
	b.clock.pass(6 * 24 * time.Hour)
	file := filepath.Join(b.dir, "spool", filepath.Base(young)+".data")
	check(t, os.Chtimes(file, b.clock.now(), b.clock.now()))
	b.start()
	b.want(204, "", "GET", old, nil)
	b.stop()
	b.clock.pass(2 * 24 * time.Hour)
	b.start()
	b.stop() // which waits for the sweep
	b.spooled(1)
	b.start()
	b.want(404, "given up", "GET", old, nil)
	b.want(204, "", "GET", young, nil)
}
