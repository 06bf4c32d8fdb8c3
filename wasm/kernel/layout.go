package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/graph"
)

// Layout says how a tile's values lie in memory.
type Layout int

// Layouts of a tile (package comment).
const (
	Rows  Layout = iota // [lanes][stride] f32: one row per example
	Sites               // [elements][lanes] f32: one group of lanes per element
)

// Either is what an operation reads that works in any layout and keeps it.
const Either Layout = -1

// Reads is the layout that a node's operation reads. A flattening one takes either, but does not hand it on. Where an operation
// does not say (reads), it works on images as sites and on rows as rows.
func Reads(n *graph.Node) Layout {
	if op, ok := n.Op.(interface{ reads(n *graph.Node) Layout }); ok {
		return op.reads(n)
	}
	if len(n.Shape) == 1 && len(n.In().Shape) == 1 {
		return Rows
	}
	return Sites
}

// Tile is how a microbatch is cut: Count tiles of Lanes examples each.
type Tile struct {
	Lanes int // 4, 8, 12 or a multiple of 16
	Count int
}

// MaxLanes is the largest tile, but for batch norms: 16 floats are one cache line.
const MaxLanes = 16

// TileOf cuts a microbatch into the fewest tiles of at most MaxLanes, and these as small as possible.
func TileOf(microbatch int) Tile {
	count := (microbatch + MaxLanes - 1) / MaxLanes
	lanes := (microbatch + count - 1) / count
	return Tile{Lanes: roundUp(lanes, 4), Count: count}
}

// TileFor cuts a microbatch for a graph. Where all examples are needed at once there is one tile.
func TileFor(g *graph.Graph, microbatch int) Tile {
	if t := TileOf(microbatch); t.Count == 1 || !g.Normalizes() {
		return t
	}
	return Tile{Lanes: roundUp(microbatch, MaxLanes), Count: 1}
}

// Buffer is a tile's values of one tensor at a constant address.
type Buffer struct {
	Addr   int
	Layout Layout
	Shape  []int // of one example
	Lanes  int
	// Halo is a border of zeros around the [height, width] of Sites. The shape does not include it.
	Halo Halo
}

// Halo is a border, in elements of height and width.
type Halo struct{ Top, Left, Bottom, Right int }

// Elements of one example.
func (b Buffer) Elements() int { return schema.Elements(b.Shape) }

// Site is the bytes of one element's lanes.
func (b Buffer) Site() int { return 4 * b.Lanes }

// Stride is the bytes of one example's row, an odd number of cache lines: rows at a power of two would all meet in the
// same few sets of the cache. What is in the padding is undefined.
func (b Buffer) Stride() int {
	const line = 64
	return line * (roundUp(4*b.Elements(), line)/line | 1)
}

// Bytes that the buffer takes, with the slack that vectors at its end may touch.
func (b Buffer) Bytes() int {
	if b.Layout == Rows {
		return b.Lanes*b.Stride() + slack
	}
	h, w, c := hwc(b.Shape)
	return (h+b.Halo.Top+b.Halo.Bottom)*(w+b.Halo.Left+b.Halo.Right)*c*b.Site() + slack
}

// slack is what loads and stores of whole vectors may reach behind a tensor of any length.
const slack = 16

// hwc reads a shape of rank 1 to 3 as height, width, channels.
func hwc(shape []int) (h, w, c int) {
	switch len(shape) {
	case 3:
		return shape[0], shape[1], shape[2]
	case 2:
		return 1, shape[0], shape[1]
	}
	return 1, 1, schema.Elements(shape)
}

// rowSites is the number of sites from one row of an image to the next.
func (b Buffer) rowSites() int {
	_, w, c := hwc(b.Shape)
	return (w + b.Halo.Left + b.Halo.Right) * c
}

// origin is the address of the first element inside the halo.
func (b Buffer) origin() int {
	_, _, c := hwc(b.Shape)
	return b.Addr + (b.Halo.Top*b.rowSites()+b.Halo.Left*c)*b.Site()
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }
