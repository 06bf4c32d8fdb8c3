package ref_test

import (
	"testing"

	"github.com/reprise-ml/reprise/wasm/ref"
)

// The known answers of Philox4x32-10, from the file kat_vectors of Random123.
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{"zeros", [4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			"ones",
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
			[2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			"digits of pi",
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ref.Philox4x32(tt.counter, tt.key); got != tt.want {
				t.Errorf("got %08x, want %08x", got, tt.want)
			}
		})
	}
}

func TestUniform(t *testing.T) {
	for _, tt := range []struct {
		x    uint32
		want float32
	}{
		{0, 0}, {255, 0}, {256, 0x1p-24}, {1 << 31, 0.5}, {0xffffffff, 1 - 0x1p-24},
	} {
		if got := ref.Uniform(tt.x); got != tt.want {
			t.Errorf("Uniform(%#x) = %v, want %v", tt.x, got, tt.want)
		}
	}
}
