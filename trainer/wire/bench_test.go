package wire_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// resnet18 is a vector of the size of that network: 11.2 million values, whose sums have so many bits.
func resnet18(bits int) (*schema.EngineSection, []byte) {
	s := section(1<<(bits-1), 1, segment{"i32", schema.CombineAdd, 11_200_000})
	a := make([]byte, s.Regions[schema.RegionAccumulators].Size)
	r := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < len(a); at += 4 {
		binary.LittleEndian.PutUint32(a[at:], uint32(int32(r.Uint32())>>(32-bits)))
	}
	return s, a
}

// BenchmarkVector measures packing, checking and merging on one core, in packed bytes per second, beside adding as many plain
// integers from memory to memory and hashing them, which nothing that merges and checks digests can beat.
func BenchmarkVector(b *testing.B) {
	for _, bits := range []int{8, 12, 16, 24} {
		s, a := resnet18(bits)
		packed := wire.Pack(nil, s, a)
		values := float64(len(a) / 4)
		run := func(name string, do func()) {
			b.Run(fmt.Sprintf("%s/bits=%d", name, bits), func(b *testing.B) {
				b.SetBytes(int64(len(packed)))
				for b.Loop() {
					do()
				}
				b.ReportMetric(values*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
			})
		}
		buffer := make([]byte, 0, len(packed))
		run("pack", func() { buffer = wire.Pack(buffer[:0], s, a) })
		run("open", func() { open(b, s, packed, 1) })
		sum := wire.NewSum(s)
		digest := wire.CanonicalDigest(s, a)
		run("add", func() {
			sum.Reset()
			if err := sum.Add(packed, 1, digest); err != nil {
				b.Fatal(err)
			}
		})
		if bits == 16 {
			plain := make([]byte, len(a))
			run("plain add", func() {
				for at := 0; at+8 <= len(a); at += 8 {
					d := plain[at : at+8]
					binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(d)+binary.LittleEndian.Uint64(a[at:at+8]))
				}
			})
			run("sha256", func() { sha256.Sum256(a) })
		}
	}
}
