package ws_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

// TestUpdateWaitsForWhatFollows has an update leave with the lease that follows it, and one that nothing follows leave with Flush.
func TestUpdateWaitsForWhatFollows(t *testing.T) {
	h := newHost()
	s := serve(t, h, ws.Options{})
	c, m := join(t, h, s.url, ws.ClientOptions{})
	packed := random(1000)
	if !m.link.SendUpdate(newUpdate(1, packed)) {
		t.Fatal("no room")
	}
	m.link.Send(train(7))
	if u, got := receive[*wire.Update](t, c); u.Step != 1 || !bytes.Equal(got, packed) {
		t.Fatalf("update %d of %d bytes", u.Step, len(got))
	}
	if l, _ := receive[*wire.Lease](t, c); l.Lease != 7 {
		t.Fatalf("lease %d", l.Lease)
	}
	if !m.link.SendUpdate(newUpdate(2, packed)) {
		t.Fatal("no room")
	}
	m.link.Flush()
	if u, got := receive[*wire.Update](t, c); u.Step != 2 || !bytes.Equal(got, packed) {
		t.Fatalf("update %d of %d bytes", u.Step, len(got))
	}
}

// counting counts the writes on a connection that is no system's.
type counting struct {
	net.Conn
	writes [][]byte
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(b))
	return len(b), nil
}

func TestCorked(t *testing.T) {
	below := &counting{}
	c := ws.NewCorked(below)
	own := []byte("one")
	for _, b := range [][]byte{own, []byte("two")} {
		if n, err := c.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
	}
	copy(own, "???") // the library writes from a buffer that it uses again
	if len(below.writes) > 0 || c.Waiting() != 6 {
		t.Fatalf("%q has left, %d bytes wait", below.writes, c.Waiting())
	}
	if err := c.Flush(); err != nil || c.Waiting() != 0 || string(bytes.Join(below.writes, nil)) != "onetwo" {
		t.Fatalf("%v: %q has left, %d bytes wait", err, below.writes, c.Waiting())
	}
}
