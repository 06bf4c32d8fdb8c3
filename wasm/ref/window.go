package ref

import "github.com/reprise-ml/reprise/wasm/graph"

// window is the geometry of a convolution or pooling over images [height, width, channels].
type window struct {
	height, width, channels       int // of the input
	kernelHeight, kernelWidth     int
	strideHeight, strideWidth     int
	top, left                     int // padding
	outHeight, outWidth, outDepth int
}

// newWindow reads a node whose attribute size is the kernel. The output's shape is the graph's.
func newWindow(node *graph.Node, size string) window {
	in, out, a := node.In().Shape, node.Shape, node.Attributes
	w := window{height: in[0], width: in[1], channels: in[2], outHeight: out[0], outWidth: out[1], outDepth: out[2]}
	w.kernelHeight, w.kernelWidth = a.Size(size)
	w.strideHeight, w.strideWidth = a.Size("stride")
	mode, top, left := a.Padding("padding")
	w.top, w.left = top, left
	if mode == "same" { // what the outputs need, the smaller half of it before
		w.top = max((w.outHeight-1)*w.strideHeight+w.kernelHeight-w.height, 0) / 2
		w.left = max((w.outWidth-1)*w.strideWidth+w.kernelWidth-w.width, 0) / 2
	}
	return w
}

// output is the index of an output's element.
func (w window) output(oy, ox, channel int) int { return (oy*w.outWidth+ox)*w.outDepth + channel }

// each visits the elements (i, j) of the kernel at an output position that lie inside the image, row by row, with the index
// of the input's first channel there.
func (w window) each(oy, ox int, visit func(i, j, at int)) {
	for i := range w.kernelHeight {
		for j := range w.kernelWidth {
			y, x := oy*w.strideHeight+i-w.top, ox*w.strideWidth+j-w.left
			if 0 <= y && y < w.height && 0 <= x && x < w.width {
				visit(i, j, (y*w.width+x)*w.channels)
			}
		}
	}
}

// positions visits the outputs' positions, row by row.
func (w window) positions(visit func(oy, ox int)) {
	for oy := range w.outHeight {
		for ox := range w.outWidth {
			visit(oy, ox)
		}
	}
}
