package ws_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
	"github.com/reprise-ml/reprise/trainer/ws"
)

// peersVariable makes the test binary a process of peers that say hello and then only listen: "ADDRESS COUNT".
const peersVariable = "REPRISE_BENCH_PEERS"

func TestMain(m *testing.M) {
	if v := os.Getenv(peersVariable); v != "" {
		address, count, _ := strings.Cut(v, " ")
		n, err := strconv.Atoi(count)
		if err == nil {
			err = listenAsPeers(address, n)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// listenAsPeers connects until standard input ends. A peer answers every vector with a word, so that its arrival can be seen.
func listenAsPeers(address string, n int) error {
	text, err := wire.Encode(hello())
	if err != nil {
		return err
	}
	word, err := wire.Encode(&wire.Rest{})
	if err != nil {
		return err
	}
	masked := func(payload []byte) []byte { // with a mask of zeros
		return append([]byte{0x81, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	if len(text) > 125 {
		return errors.New("the hello is too long for a short frame")
	}
	slots := make(chan struct{}, 50)
	for range n {
		slots <- struct{}{}
		go func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
				"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", address, wire.Subprotocol)
			r := bufio.NewReaderSize(c, 512)
			if answer, err := http.ReadResponse(r, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
				panic(fmt.Sprint(answer, err))
			}
			c.Write(masked(text))
			<-slots
			missing := int64(0)
			for err == nil {
				err = readFrame(r, func(kind byte, payload []byte) {
					switch kind {
					case 1:
						if m, err := wire.Decode(payload); err == nil {
							if u, ok := m.(*wire.Update); ok {
								missing = u.Bytes
							}
						}
					case 2:
						if missing -= int64(len(payload)) - wire.HeaderSize; missing == 0 {
							c.Write(masked(word))
						}
					case 9:
						c.Write([]byte{0x8a, 0x80, 0, 0, 0, 0})
					}
				})
			}
		}()
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// readFrame reads a frame of a server, whose payload is do's only while it runs.
func readFrame(r *bufio.Reader, do func(kind byte, payload []byte)) error {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return err
	}
	var err error
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(r, head[2:4])
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(r, head[2:10])
		size = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return err
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	payload := (*buffer)[:size]
	if _, err = io.ReadFull(r, payload); err == nil {
		do(head[0]&0xf, payload)
	}
	return err
}

var buffers = sync.Pool{New: func() any { b := make([]byte, wire.HeaderSize+wire.PieceSize); return &b }}

// peers starts a process of so many, and waits until the host has let them in.
func peers(b *testing.B, h *host, url string, n int) []*member {
	b.Helper()
	child := exec.CommandContext(b.Context(), os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", peersVariable, strings.TrimPrefix(url, "ws://"), n))
	child.Stderr = os.Stderr
	input, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { input.Close(); child.Wait() })
	members := make([]*member, n)
	for k := range members {
		members[k] = wait(b, "a peer", h.joined)
	}
	return members
}

// resident is the memory of this process, in bytes, after everything that can be given back was.
func resident(b *testing.B) float64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("the size of a process is read from /proc: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kB * 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// BenchmarkIdle measures what an idle connection costs the server's process.
func BenchmarkIdle(b *testing.B) {
	const n = 5000
	h := newHost()
	s := serve(b, h, ws.Options{Burst: 2 * n})
	peers(b, h, s.url, 100) // what is needed once, is
	before := resident(b)
	members := peers(b, h, s.url, n)
	// The host of this benchmark has its own channels for each; a session has its own records. Neither is the transport's.
	for _, m := range members {
		m.messages, m.vectors = nil, nil
	}
	each := (resident(b) - before) / n
	if each > 64<<10 {
		b.Errorf("an idle connection costs %.0f bytes, more than 64 kB", each)
	}
	for b.Loop() {
		runtime.KeepAlive(members)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(each/1024, "kB/connection")
}

// BenchmarkBroadcast sends an update of W2's size, 32 thousand values at 16 bits, to a thousand peers in another process, which say
// when they have it.
func BenchmarkBroadcast(b *testing.B) {
	const n = 1000
	packed := random(2 * 31_786)
	h := newHost()
	s := serve(b, h, ws.Options{Burst: 2 * n})
	members := peers(b, h, s.url, n)
	b.SetBytes(int64(n * len(packed)))
	step := int64(0)
	for b.Loop() {
		u := newUpdate(step, packed)
		for _, m := range members {
			if !m.update(u) {
				b.Fatal("no room")
			}
		}
		for _, m := range members {
			wait(b, "a peer's word", m.messages)
		}
		step++
	}
}

// BenchmarkMerge receives vectors of ResNet-18's size, 11.2 million values at 16 bits, over eight connections at once: those of the
// transport alone, and those that are checked and merged as well, beside merging without a transport and plain addition.
func BenchmarkMerge(b *testing.B) {
	const (
		connections = 8
		values      = 11_200_000
	)
	section := &schema.EngineSection{
		Bound: 1 << 15, MaxMicrobatches: 1 << 15,
		Regions:  map[string]schema.Region{schema.RegionAccumulators: {Size: 4 * values}},
		Segments: []schema.Segment{{Name: "gradient", Type: "i32", Combine: schema.CombineAdd, Count: values}},
	}
	accumulators := make([]byte, 4*values)
	r := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < len(accumulators); at += 4 {
		binary.LittleEndian.PutUint32(accumulators[at:], uint32(int32(r.Uint32())>>16))
	}
	packed := wire.Pack(nil, section, accumulators)
	sum := wire.NewSum(section)
	right := wire.CanonicalDigest(section, accumulators)
	merge := func(_ *wire.Result, packed []byte) error { return sum.Add(packed, 1, right) }
	b.Run("memory", func(b *testing.B) {
		b.SetBytes(int64(len(packed)))
		plain := make([]byte, len(accumulators))
		for b.Loop() {
			for at := 0; at+8 <= len(plain); at += 8 {
				d := plain[at : at+8]
				binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(d)+binary.LittleEndian.Uint64(accumulators[at:at+8]))
			}
		}
	})
	b.Run("merging", func(b *testing.B) {
		b.SetBytes(connections * int64(len(packed)))
		for b.Loop() {
			sum.Reset()
			together(connections, func(int) {
				if err := merge(nil, packed); err != nil {
					b.Error(err)
				}
			})
		}
	})
	for _, c := range []struct {
		name   string
		vector func(*wire.Result, []byte) error
	}{
		{"transport", func(*wire.Result, []byte) error { return nil }},
		{"transport and merging", merge},
	} {
		b.Run(c.name, func(b *testing.B) {
			done := make(chan struct{}, connections)
			h := newHost()
			h.limit = int64(len(packed))
			h.vector = func(r *wire.Result, packed []byte) error {
				defer func() { done <- struct{}{} }()
				return c.vector(r, packed)
			}
			h.forget = true
			s := serve(b, h, ws.Options{})
			digest := schema.DigestOf(packed)
			b.SetBytes(connections * int64(len(packed)))
			var senders [connections]func(lease int64) error
			var members [connections]*member
			for k := range connections {
				connection, m := join(b, h, s.url, ws.ClientOptions{})
				members[k] = m
				senders[k] = func(lease int64) error {
					return connection.Send(b.Context(), &wire.Result{Lease: lease, Digest: digest, Bytes: int64(len(packed))}, packed)
				}
			}
			lease := int64(0)
			for b.Loop() {
				sum.Reset()
				lease++
				for _, m := range members {
					m.link.Send(train(lease))
				}
				together(connections, func(k int) {
					if err := senders[k](lease); err != nil {
						b.Error(err)
					}
				})
				for range connections {
					<-done
				}
			}
		})
	}
}
