package closure

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/reprise-ml/reprise/schema"
)

// HoldOut moves a fraction of the records of one split to a new one. Where the dataset has classes, every class gives
// round(n · fraction) of its n records, and at least one where it has two. The choice depends on the order of the
// records and on seed alone.
func (b *Builder) HoldOut(from, to string, fraction float64, seed uint64) error {
	p := b.splits[from]
	switch {
	case p == nil:
		return schema.Invalidf(b.document.Name, "splits."+from, "there is no such split to hold records out of")
	case b.splits[to] != nil:
		return schema.Invalidf(b.document.Name, "splits."+to, "the split is there already; leave the fraction out")
	case !(fraction > 0 && fraction < 1):
		return schema.Invalidf(b.document.Name, "splits."+to, "%v is not a fraction between 0 and 1", fraction)
	}
	if err := checkSplitName(to); err != nil {
		return err
	}
	p.list()
	strata := map[int][]uint32{}
	for _, i := range p.order {
		c := b.class(p.records.at(int(i)))
		strata[c] = append(strata[c], i)
	}
	var held []uint32
	for c, members := range strata {
		newGenerator(seed, fmt.Sprintf("hold out %d", c)).shuffle(members)
		n := int(math.Floor(float64(float64(len(members))*fraction) + 0.5))
		if len(members) >= 2 {
			n = min(max(n, 1), len(members)-1)
		}
		held = append(held, members[:n]...)
	}
	if len(held) == 0 || len(held) == len(p.order) {
		return schema.Invalidf(b.document.Name, "splits."+to, "a fraction of %v leaves a split of %d records empty", fraction, len(p.order))
	}
	slices.Sort(held)
	kept := make([]uint32, 0, len(p.order)-len(held))
	for _, i := range p.order {
		if _, found := slices.BinarySearch(held, i); !found {
			kept = append(kept, i)
		}
	}
	p.order = kept
	b.splits[to] = &pending{records: p.records, order: held, held: true}
	return nil
}

// class is the class of a record, or 0 for all where there are no classes.
func (b *Builder) class(record []byte) int {
	if len(b.document.Classes) == 0 {
		return 0
	}
	return classOf(b.document.Record.Target, record)
}

// classOf reads the class index of a record whose target field is u8 or u16.
func classOf(target schema.Field, record []byte) int {
	if target.DType == "u16" {
		return int(binary.LittleEndian.Uint16(record[target.Offset:]))
	}
	return int(record[target.Offset])
}
