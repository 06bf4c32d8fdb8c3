package api_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/reprise-ml/reprise/api"
)

// A service that is told to stop answers what it has begun.
func TestServeStops(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		_, _ = io.WriteString(w, "done")
	})
	go func() { ended <- api.Serve(ctx, l, h) }()
	r, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "done" {
		t.Errorf("%q %v", b, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeFails(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := api.Serve(t.Context(), l, http.NotFoundHandler()); err == nil {
		t.Error("a closed listener serves")
	}
}
