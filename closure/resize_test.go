package closure_test

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// greyPicture is a picture whose three channels are equal.
func greyPicture(height, width int, values ...byte) *closure.Picture {
	p := &closure.Picture{Height: height, Width: width}
	for _, v := range values {
		p.RGB = append(p.RGB, v, v, v)
	}
	return p
}

func TestResize(t *testing.T) {
	for _, tc := range []struct {
		name          string
		from          *closure.Picture
		height, width int
		want          []byte
	}{
		{"the same", greyPicture(1, 2, 3, 200), 1, 2, []byte{3, 200}},
		{"halves", greyPicture(2, 4, 0, 10, 20, 30, 2, 12, 22, 32), 1, 2, []byte{6, 26}},
		{"a half is rounded up", greyPicture(1, 2, 0, 1), 1, 1, []byte{1}},
		{"below a half", greyPicture(1, 4, 0, 0, 0, 1), 1, 1, []byte{0}},
		{"three to two", greyPicture(1, 3, 0, 90, 30), 1, 2, []byte{30, 50}},
		{"three to two, the other way", greyPicture(3, 1, 0, 90, 30), 2, 1, []byte{30, 50}},
		{"one to three", greyPicture(1, 1, 77), 3, 1, []byte{77, 77, 77}},
		{"two to four", greyPicture(1, 2, 0, 100), 1, 4, []byte{0, 25, 75, 100}},
		{"two to three", greyPicture(1, 2, 0, 100), 1, 3, []byte{0, 50, 100}},
		{"wider and lower", greyPicture(2, 2, 0, 100, 100, 200), 1, 4, []byte{50, 75, 125, 150}},
		{"white stays white", greyPicture(3, 3, bytes.Repeat([]byte{255}, 9)...), 7, 2, bytes.Repeat([]byte{255}, 14)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.from.Resize(tc.height, tc.width)
			if got.Height != tc.height || got.Width != tc.width {
				t.Errorf("got %d×%d", got.Height, got.Width)
			}
			if diff := cmp.Diff(tc.want, got.Grey()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// plainResize computes a pixel of the result as the documentation of Resize says, in rational numbers.
func plainResize(p *closure.Picture, height, width, y, x, c int) byte {
	rows, columns := plainWeights(p.Height, height, y), plainWeights(p.Width, width, x)
	sum := new(big.Rat)
	for i, wy := range rows {
		for j, wx := range columns {
			v := new(big.Rat).SetInt64(int64(p.RGB[(i*p.Width+j)*3+c]))
			sum.Add(sum, v.Mul(v, new(big.Rat).Mul(wy, wx)))
		}
	}
	sum.Add(sum, big.NewRat(1, 2))
	return byte(new(big.Int).Div(sum.Num(), sum.Denom()).Int64())
}

// plainWeights are the weights of the n source pixels in pixel k of m; they add up to 1.
func plainWeights(n, m, k int) []*big.Rat {
	list := make([]*big.Rat, n)
	for i := range list {
		i64, n64, m64, k64 := int64(i), int64(n), int64(m), int64(k)
		list[i] = new(big.Rat)
		if m <= n {
			begin, end := big.NewRat(k64*n64, m64), big.NewRat((k64+1)*n64, m64)
			if first := big.NewRat(i64, 1); first.Cmp(begin) > 0 {
				begin = first
			}
			if last := big.NewRat(i64+1, 1); last.Cmp(end) < 0 {
				end = last
			}
			if overlap := new(big.Rat).Sub(end, begin); overlap.Sign() > 0 {
				list[i].Mul(overlap, big.NewRat(m64, n64))
			}
			continue
		}
		at := new(big.Rat).Sub(big.NewRat((2*k64+1)*n64, 2*m64), big.NewRat(1, 2))
		if at.Sign() < 0 {
			at.SetInt64(0)
		}
		if last := big.NewRat(n64-1, 1); at.Cmp(last) > 0 {
			at = last
		}
		distance := new(big.Rat).Sub(at, big.NewRat(i64, 1))
		if w := new(big.Rat).Sub(big.NewRat(1, 1), distance.Abs(distance)); w.Sign() > 0 {
			list[i] = w
		}
	}
	return list
}

func TestResizeFormula(t *testing.T) {
	sizes := []int{1, 2, 3, 5, 8, 13}
	for _, h := range sizes {
		for _, w := range []int{1, 4, 7} {
			p := &closure.Picture{Height: h, Width: w}
			for i := range h * w * 3 {
				p.RGB = append(p.RGB, byte(i*i*31+i*7))
			}
			for _, height := range sizes {
				for _, width := range []int{1, 3, 4, 9} {
					got := p.Resize(height, width)
					for i, v := range got.RGB {
						if want := plainResize(p, height, width, i/3/width, i/3%width, i%3); v != want {
							t.Fatalf("%d×%d to %d×%d, value %d: got %d, want %d", h, w, height, width, i, v, want)
						}
					}
				}
			}
		}
	}
}

// The same on every machine: this one digest.
func TestResizeGolden(t *testing.T) {
	p := &closure.Picture{Height: 37, Width: 23}
	for i := range 37 * 23 * 3 {
		p.RGB = append(p.RGB, byte(i*i*7+i/5))
	}
	got := schema.DigestOf(slices.Concat(p.Resize(16, 48).RGB, p.Resize(90, 5).RGB, p.Resize(10, 10).Grey())).String()
	if want := "sha256:2eff3e84f10e9b270841f617aafc2cfd2be02b531209222220294aa6c2f4eef5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
