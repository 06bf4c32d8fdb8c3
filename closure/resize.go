package closure

// Resize brings a picture to another size, in integers alone, so that the result is the same on every machine. The aspect
// ratio is not kept: each axis is scaled for itself.
//
// Along an axis of n pixels that becomes one of m, pixel k of the result is a weighted mean of source pixels:
//
//   - m ≤ n, by area: the interval [k·n/m, (k+1)·n/m) is covered by source pixels i, each weighing as much as it overlaps;
//   - m > n, bilinear between the centres of pixels: at (k + ½)·n/m − ½, clamped to [0, n−1], lie the pixels i and i+1, which
//     weigh 1−f and f, f being the fraction.
//
// The weights are whole numbers: overlaps in units of 1/m, which add up to n, and fractions in units of 1/2m. A value is
// ⌊(Σ wy·wx·v + W/2) / W⌋, W being the product of the sums of weights of both axes: it is rounded once, halves upward.
func (p *Picture) Resize(height, width int) *Picture {
	if height == p.Height && width == p.Width {
		return p
	}
	out := &Picture{Height: height, Width: width, RGB: make([]byte, height*width*3)}
	rows, rowsTotal := axisWeights(p.Height, height)
	columns, columnsTotal := axisWeights(p.Width, width)
	total := rowsTotal * columnsTotal
	// A source row is needed by at most two rows of the result when shrinking, and by a run of them when growing, in both
	// cases beside its neighbour: the sums of two rows are kept.
	var kept [2]struct {
		row  int
		sums []uint64
	}
	for i := range kept {
		kept[i].row, kept[i].sums = -1, make([]uint64, width*3)
	}
	sums := make([]uint64, width*3)
	for y, row := range rows {
		clear(sums)
		for i, weight := range row.weights {
			k := &kept[(row.first+i)%2]
			if k.row != row.first+i {
				k.row = row.first + i
				sumColumns(k.sums, p.RGB[k.row*p.Width*3:][:p.Width*3], columns)
			}
			for x, v := range k.sums {
				sums[x] += weight * v
			}
		}
		for x, v := range sums {
			out.RGB[y*width*3+x] = byte((v + total/2) / total)
		}
	}
	return out
}

// sumColumns writes the weighted sums of a row's pixels.
func sumColumns(sums []uint64, row []byte, columns []pixelWeights) {
	for x, column := range columns {
		var red, green, blue uint64
		pixels := row[column.first*3:]
		for i, weight := range column.weights {
			red += weight * uint64(pixels[3*i])
			green += weight * uint64(pixels[3*i+1])
			blue += weight * uint64(pixels[3*i+2])
		}
		sums[3*x], sums[3*x+1], sums[3*x+2] = red, green, blue
	}
}

// pixelWeights are the source pixels of one pixel: the first, and the weights of it and those after it.
type pixelWeights struct {
	first   int
	weights []uint64
}

// axisWeights returns the weights of every pixel of an axis from n to m pixels, and what the weights of each add up to. With
// n and m up to 2^26, sums over both axes stay below 2^62.
func axisWeights(n, m int) ([]pixelWeights, uint64) {
	list := make([]pixelWeights, m)
	if m <= n {
		for k := range list {
			begin, end := k*n, (k+1)*n // in units of 1/m
			list[k].first = begin / m
			for i := begin / m; i*m < end; i++ {
				list[k].weights = append(list[k].weights, uint64(min(end, (i+1)*m)-max(begin, i*m)))
			}
		}
		return list, uint64(n)
	}
	for k := range list {
		at := min(max((2*k+1)*n-m, 0), (n-1)*2*m) // in units of 1/2m
		i, f := at/(2*m), at%(2*m)
		list[k].first = i
		list[k].weights = []uint64{uint64(2*m - f)}
		if f > 0 {
			list[k].weights = append(list[k].weights, uint64(f))
		}
	}
	return list, uint64(2 * m)
}
