package closure

import (
	"regexp"

	"github.com/reprise-ml/reprise/schema"
)

// splitText: a split's name is also a folder of its shards.
var splitText = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func checkSplitName(name string) error {
	if !splitText.MatchString(name) {
		return schema.Invalidf(PathDataset, "splits", "%q cannot name a split: use up to 64 lower-case letters, digits and . _ -", name)
	}
	return nil
}

// checkLayout says what makes a record layout impossible.
func checkLayout(l schema.RecordLayout) error {
	if l.Size <= 0 || l.Size > maxShard {
		return schema.Invalidf(PathDataset, "record.size", "%d; a record has 1 to %d bytes", l.Size, maxShard)
	}
	used := make([][2]int, 0, 2)
	for _, f := range []struct {
		name  string
		field schema.Field
	}{{"input", l.Input}, {"target", l.Target}} {
		place := "record." + f.name
		size := schema.DTypeSize(f.field.DType)
		if size == 0 {
			return schema.Invalidf(PathDataset, place+".dtype", "%q is not a dtype of records", f.field.DType)
		}
		bytes, ok := tensorBytes(f.field.Shape, size)
		if !ok || bytes == 0 || f.field.Offset < 0 || int64(f.field.Offset)+bytes > int64(l.Size) {
			return schema.Invalidf(PathDataset, place, "%s of shape %v at byte %d does not fit a record of %d bytes",
				f.field.DType, f.field.Shape, f.field.Offset, l.Size)
		}
		used = append(used, [2]int{f.field.Offset, f.field.Offset + int(bytes)})
	}
	if used[0][0] < used[1][1] && used[1][0] < used[0][1] {
		return schema.Invalidf(PathDataset, "record", "input and target overlap")
	}
	return nil
}
