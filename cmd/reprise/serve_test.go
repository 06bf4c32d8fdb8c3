package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

// serving runs serve until the test ends, and returns where.
func (d *desk) serving(more ...string) string {
	d.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"--store", d.storePath(), "--json", "--quiet", "serve", "--addr", "127.0.0.1:0"}, more...), in, io.Discard)
		in.CloseWithError(errors.New("serve has ended"))
		ended <- code
	}()
	d.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			d.Errorf("serve ended with %d", code)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		d.Fatal(err)
	}
	if err := schema.Validate(schema.KindServeReport, "serve", []byte(line)); err != nil {
		d.Fatal(err)
	}
	r := decoded[schema.ServeReport](d, strings.NewReader(line))
	return r.URL
}

func decoded[T any](d *desk, r io.Reader) T {
	d.Helper()
	var v T
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		d.Fatal(err)
	}
	return v
}

func fetched[T any](d *desk, address string) T {
	d.Helper()
	r, err := http.Get(address)
	if err != nil {
		d.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(r.Body)
		d.Fatalf("%s: %s %s", address, r.Status, b)
	}
	return decoded[T](d, r.Body)
}

// A closure that was trained and published is served, and its engine derived by a process of its own.
func TestServe(t *testing.T) {
	t.Setenv(mainVariable, "1") // the compiler's process is this program, too
	d := withData(t)
	published := d.published()
	url := d.serving()
	list := fetched[api.ClosureList](d, url+"api/v1/closures")
	if list.Total != 1 || list.Items[0].Digest != published.Digest {
		t.Errorf("%+v", list)
	}
	if a := fetched[api.DerivationAnswer](d, url+"api/v1/closure/derivation?ref=small"); a.Derivation != schema.Derived {
		t.Errorf("%+v", a)
	}
	if a := fetched[api.About](d, url+"api/v1/about"); a.Store.Kind != "directory" || a.Counts["datasets"] != 1 {
		t.Errorf("%+v", a)
	}
}

func TestServeRefuses(t *testing.T) {
	d := newDesk(t)
	d.refused(exitFailed, []string{"there is no store"}, "serve")
	d = withData(t)
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d.refused(exitFailed, []string{"cannot listen on " + l.Addr().String(), "--addr"}, "serve", "--addr", l.Addr().String())
	d.refused(exitInvalid, []string{"unexpected argument"}, "serve", "here")
}

func TestProcessCompiler(t *testing.T) {
	t.Setenv(mainVariable, "1")
	d := withData(t)
	d.published()
	var c schema.Closure
	o := d.done("show", "small", "--json")
	if err := json.Unmarshal([]byte(o.stdout), &c); err != nil {
		t.Fatal(err)
	}
	var compiler processCompiler
	if got, err := compiler.Compile(t.Context(), c.Resolved()); err != nil || got != c.Engine.Digest || compiler.Version() != wasm.Version {
		t.Errorf("%s %v", got, err)
	}
	bad := c
	bad.Model.Loss.Kind = "regret"
	_, err := compiler.Compile(t.Context(), bad.Resolved())
	if _, ok := errors.AsType[*schema.Invalid](err); !ok || !strings.Contains(err.Error(), "regret") {
		t.Errorf("a bad loss: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compiler.Compile(cancelled, c.Resolved()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := compileForParent(strings.NewReader("nothing"), os.Stdout); err == nil {
		t.Error("nothing compiles")
	}
}
