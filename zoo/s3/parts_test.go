package s3_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/s3"
	"github.com/reprise-ml/reprise/zoo/s3/s3test"
)

// TestPartsAtATime sends one large blob, then several: as many parts as there may be are on their way at a time, and never more,
// whoever's they are. That bounds the memory, too: each is held until it has arrived.
func TestPartsAtATime(t *testing.T) {
	const atATime = 3
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	for _, blobs := range []int{1, 4} {
		s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 * mib, Parts: atATime})
		small, _ := blob(6 * mib)
		check(t, put(t.Context(), s, small)) // whatever is asked once is asked by now
		var now, most, came atomic.Int64
		all := make(chan struct{}) // closed when so many wait as there may be
		proxy.SetFault(func(r *http.Request) s3test.Fault {
			part := r.URL.Query().Get("partNumber") != ""
			if !part && (r.Method != http.MethodPut || !strings.Contains(r.URL.Path, zoo.BlobsPath)) {
				return s3test.Fault{}
			}
			n := now.Add(1)
			most.Store(max(most.Load(), n))
			if came.Add(1) == atATime {
				close(all)
			}
			return s3test.Fault{
				Before: func() {
					select {
					case <-all:
					case <-time.After(time.Minute):
						t.Error("the parts come one after the other")
					}
					// What is answered is no longer on its way, and the next may come before the server is asked.
					now.Add(-1)
				},
			}
		})
		var sending sync.WaitGroup
		for i := range blobs {
			b, _ := blob(16*mib + i)
			sending.Go(func() {
				if err := put(t.Context(), s, b); err != nil {
					t.Error(err)
				}
			})
		}
		sending.Wait()
		proxy.SetFault(func(*http.Request) s3test.Fault { return s3test.Fault{} })
		if most.Load() != atATime {
			t.Errorf("%d blobs: %d parts were on their way at a time, want %d", blobs, most.Load(), atATime)
		}
		wantSound(t, s)
	}
}

// TestSlowAssembly: a server that takes long to put the parts together is not asked once more meanwhile, which would make it begin again.
func TestSlowAssembly(t *testing.T) {
	const stall = 2 * time.Second
	server := s3test.Versitygw.Start(t, false)
	proxy := server.Proxy(t)
	s := create(t, server.PlaceAt(proxy.Endpoint), s3.Options{PartSize: 5 * mib, Stall: stall})
	b, _ := blob(6 * mib)
	var asked atomic.Int64
	proxy.SetFault(func(r *http.Request) s3test.Fault {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") || !strings.Contains(r.URL.Path, zoo.BlobsPath) {
			return s3test.Fault{}
		}
		asked.Add(1)
		return s3test.Fault{Before: func() { time.Sleep(2 * stall) }}
	})
	check(t, put(t.Context(), s, b))
	if asked.Load() != 1 {
		t.Errorf("it was asked %d times", asked.Load())
	}
	wantSound(t, s)
}
