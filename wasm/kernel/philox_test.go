package kernel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/wasm/kernel"
)

// The known answers of Philox4x32-10, from the file kat_vectors of Random123.
func TestPhiloxKnownAnswers(t *testing.T) {
	m := newMachine(t, func(e *kernel.Emitter) map[string]kernel.Fn {
		return map[string]kernel.Fn{"philox": e.Philox(64)}
	})
	for _, tt := range []struct {
		name    string
		counter [4]uint64
		key     uint64
		want    []uint32
	}{
		{"zeros", [4]uint64{}, 0, []uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			"ones",
			[4]uint64{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
			0xffffffffffffffff,
			[]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			"digits of pi",
			[4]uint64{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			0x299f31d0a4093822,
			[]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m.Memory().WriteUint64Le(64, tt.key)
			got := m.call("philox", tt.counter[:]...)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("words (-want +got):\n%s", d)
			}
		})
	}
}
