package optest

import (
	"encoding/binary"
	"testing"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/module"
)

// span is a range of memory.
type span struct{ from, to int }

// kept are the ranges that outlive a call: parameters, state, what the host writes, and the module's constants.
func (i *Instance) kept() []span {
	spans := constants(i.t, i.code)
	for _, table := range [][]schema.Tensor{i.Section.Parameters, i.Section.State} {
		for _, t := range table {
			spans = append(spans, span{t.Offset, t.Offset + t.Bytes()})
		}
	}
	for name, r := range i.Section.Regions {
		if name != schema.RegionScratch && name != schema.RegionOutput && name != schema.RegionIndices {
			spans = append(spans, span{r.Offset, r.Offset + r.Size})
		}
	}
	return spans
}

// constants are the ranges that a module's data initialises.
func constants(t testing.TB, code []byte) []span {
	t.Helper()
	m, err := module.Decode(code)
	if err != nil {
		t.Fatal(err)
	}
	var spans []span
	for _, d := range m.Data {
		at, _ := binary.Uvarint(d.Offset[1:]) // i32.const: positive numbers are spelt alike, signed or not
		spans = append(spans, span{int(at), int(at) + len(d.Bytes)})
	}
	return spans
}

// Poison fills with a word all memory that no call may expect to find again: scratch, what lies between the regions, and
// records behind the first n.
func (i *Instance) Poison(word uint32, n int) {
	saved := make([]byte, len(i.Memory))
	copy(saved, i.Memory)
	for a := 0; a < len(i.Memory); a += 4 {
		binary.LittleEndian.PutUint32(i.Memory[a:], word)
	}
	for _, s := range i.kept() {
		copy(i.Memory[s.from:s.to], saved[s.from:s.to])
	}
	for _, name := range []string{schema.RegionInput, schema.RegionTarget} {
		r := i.Region(name)
		for a := len(r) / i.Section.Capacity * n; a < len(r); a++ {
			r[a] = byte(word >> (a % 4 * 8))
		}
	}
}

// Snapshot is parameters and state, one behind the other.
func (i *Instance) Snapshot() []byte {
	var b []byte
	i.eachTensor(func(memory []byte) { b = append(b, memory...) })
	return b
}

// Load puts a snapshot back.
func (i *Instance) Load(snapshot []byte) {
	i.eachTensor(func(memory []byte) { snapshot = snapshot[copy(memory, snapshot):] })
	i.call("restore")
}

func (i *Instance) eachTensor(visit func(memory []byte)) {
	for _, table := range [][]schema.Tensor{i.Section.Parameters, i.Section.State} {
		for _, t := range table {
			visit(i.Memory[t.Offset:][:t.Bytes()])
		}
	}
}
