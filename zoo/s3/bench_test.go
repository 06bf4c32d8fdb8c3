package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
)

// BenchmarkAgainstPlainClient puts and gets by the store and by the plain client in turn, on one server, and reports how much
// faster (above 1) or slower the store is. The plain client neither looks whether a blob is there nor checks what it reads.
func BenchmarkAgainstPlainClient(b *testing.B) {
	for _, secure := range []bool{false, true} {
		server := s3test.Versitygw.Start(b, secure)
		name := "HTTP"
		if secure {
			name = "TLS"
		}
		for _, c := range []struct {
			name        string
			size, count int
		}{{"256MiB", 256 * mib, 1}, {"64x4KiB", 4 << 10, 64}} {
			b.Run(name+"/"+c.name, func(b *testing.B) { against(b, server, c.size, c.count) })
		}
	}
}

func against(b *testing.B, server *s3test.Server, size, count int) {
	s, err := s3.Create(b.Context(), server.Place(), s3.Options{})
	if err != nil {
		b.Fatal(err)
	}
	plain, ctx := server.Client(), b.Context()
	content := make([]byte, size)
	var ours, theirs [2]time.Duration // put, get
	timed := func(sum *time.Duration, do func(i int) error) {
		start := time.Now()
		var all sync.WaitGroup
		slots := make(chan struct{}, 4)
		for i := range count {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				if err := do(i); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		*sum += time.Since(start)
	}
	for n := range b.N {
		blobs, digests := make([][]byte, count), make([]schema.Digest, count)
		for i := range blobs {
			blobs[i] = append([]byte(fmt.Sprintf("%d %d %d ", time.Now().UnixNano(), n, i)), content...)
			digests[i] = schema.DigestOf(blobs[i])
		}
		key := func(i int) string { return fmt.Sprintf("plain/%d/%d/%d", size, n, i) }
		timed(&ours[0], func(i int) error {
			return s.Put(ctx, digests[i], int64(len(blobs[i])), bytes.NewReader(blobs[i]))
		})
		timed(&theirs[0], func(i int) error {
			_, err := plain.PutObject(ctx, s3test.Bucket, key(i), bytes.NewReader(blobs[i]), int64(len(blobs[i])), minio.PutObjectOptions{})
			return err
		})
		timed(&ours[1], func(i int) error {
			r, err := s.Open(ctx, digests[i])
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		})
		timed(&theirs[1], func(i int) error {
			o, err := plain.GetObject(ctx, s3test.Bucket, key(i), minio.GetObjectOptions{})
			if err != nil {
				return err
			}
			defer o.Close()
			_, err = io.Copy(io.Discard, o)
			return err
		})
	}
	total := float64(size) * float64(count) * float64(b.N) / mib
	b.ReportMetric(total/ours[0].Seconds(), "put-MiB/s")
	b.ReportMetric(total/ours[1].Seconds(), "get-MiB/s")
	b.ReportMetric(theirs[0].Seconds()/ours[0].Seconds(), "put-ratio")
	b.ReportMetric(theirs[1].Seconds()/ours[1].Seconds(), "get-ratio")
}
