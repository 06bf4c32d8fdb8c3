package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/catalogue"
	"github.com/reprise-ml/reprise/zoo/directory"
)

// thousand is a store of as many synthetic closures, on disk.
func thousand(b *testing.B) zoo.Store {
	b.Helper()
	s, err := directory.Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	z, err := apitest.New(context.Background(), s)
	if err != nil {
		b.Fatal(err)
	}
	if err := z.Fill(context.Background(), 1000); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkStart is from nothing to the first answer, over 1,000 closures: with no index, of which the first answer may have a part
// only, and with one of yesterday.
func BenchmarkStart(b *testing.B) {
	s := thousand(b)
	start := func(path string) {
		index, err := catalogue.Open(context.Background(), catalogue.Options{Store: s, Path: path})
		if err != nil {
			b.Fatal(err)
		}
		service := api.New(api.Options{Store: s, Catalogue: index})
		get(b, service.Handler(), "/api/v1/closures")
		service.Close()
		if err := index.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("without an index", func(b *testing.B) {
		for b.Loop() {
			start("")
		}
	})
	b.Run("with an index", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "index.sqlite")
		index, err := catalogue.Open(context.Background(), catalogue.Options{Store: s, Path: path})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := index.Refresh(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := index.Close(); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			start(path)
		}
	})
}

// BenchmarkRequests answers from a service that knows its 1,000 closures.
func BenchmarkRequests(b *testing.B) {
	s := thousand(b)
	service := api.New(api.Options{Store: s, Catalogue: indexOf(b, s, nil), Patience: time.Minute})
	defer service.Close()
	h := service.Handler()
	for _, address := range []string{"/", "/api/v1/closures", "/api/v1/closures?q=small+letters", "/api/v1/closures?q=a", "/api/v1/closures?sort=accuracy&task=image-classification&limit=100"} {
		b.Run(fmt.Sprintf("%q", address), func(b *testing.B) {
			get(b, h, address)
			for b.Loop() {
				get(b, h, address)
			}
		})
	}
}

func get(b *testing.B, h http.Handler, address string) {
	b.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", address, w.Code, w.Body)
	}
}
