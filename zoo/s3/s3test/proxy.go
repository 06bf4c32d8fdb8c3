package s3test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// Fault is what a proxy does to one request.
type Fault struct {
	// Status, if not 0, is answered in the server's place, with Code in its document and these headers.
	Status  int
	Code    string
	Headers map[string]string
	// Before and After are called around the request to the server, after its body has been read.
	Before, After func()
	// Answered is called when the server has answered, whether or not the client still wants to know.
	Answered func()
	// LoseReply ends the connection after the server has answered.
	LoseReply bool
	// FlipRequest and FlipReply change a bit of what is sent to the server or to the client.
	FlipRequest, FlipReply bool
	// CutReply, if not 0, ends the connection after so many bytes of the reply, after AtCut.
	CutReply int64
	AtCut    func()
	// Forget takes the conditions off the request, as servers do that do not know them.
	Forget bool
}

// Proxy stands between clients and a server without TLS.
type Proxy struct {
	// Endpoint is scheme, host and port.
	Endpoint string
	server   *Server
	client   *http.Client
	mu       sync.Mutex
	fault    func(r *http.Request) Fault
	received atomic.Int64
}

// Proxy starts a proxy that passes everything on until SetFault.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	p := &Proxy{server: s, client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}}
	p.SetFault(func(*http.Request) Fault { return Fault{} })
	h := httptest.NewServer(p)
	p.Endpoint = h.URL
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return p
}

// SetFault sets what is done to requests from now on. It is called for one request at a time.
func (p *Proxy) SetFault(f func(r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Received is how many bytes of requests' bodies came, whole or not.
func (p *Proxy) Received() int64 { return p.received.Load() }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	f := p.fault(r)
	p.mu.Unlock()
	body, err := io.ReadAll(counting{r.Body, &p.received})
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	call(f.Before)
	if f.Status != 0 {
		for name, value := range f.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.Status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", f.Code, "as the proxy says")
		}
		return
	}
	if f.FlipRequest && len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	resp, err := p.forward(r, body, f.Forget)
	call(f.After)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	call(f.Answered)
	if f.LoseReply {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	switch {
	case f.CutReply > 0:
		if n, _ := io.CopyN(w, resp.Body, f.CutReply); n == f.CutReply {
			http.NewResponseController(w).Flush()
			call(f.AtCut)
			panic(http.ErrAbortHandler)
		}
	case f.FlipReply:
		b, _ := io.ReadAll(resp.Body)
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		_, _ = w.Write(b) // an error is a client that is gone
	default:
		_, _ = io.Copy(w, resp.Body)
	}
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (p *Proxy) forward(r *http.Request, body []byte, forget bool) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host, _ = strings.Cut(p.server.Endpoint, "://")
	// The signature is over the host that the client named, and the server looks at nothing else.
	out.Host = r.Host
	out.Body, out.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
	if len(body) == 0 {
		out.Body = nil
	}
	if forget && (out.Header.Get("If-Match") != "" || out.Header.Get("If-None-Match") != "") {
		out.Header.Del("If-Match")
		out.Header.Del("If-None-Match")
		out.Header.Del("Authorization")
		out = signer.SignV4(*out, AccessKey, SecretKey, "", "us-east-1")
	}
	return p.client.Do(out)
}

type counting struct {
	r io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
