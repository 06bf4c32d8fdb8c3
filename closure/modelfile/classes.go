package modelfile

import (
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// OrderClasses brings the outputs of a model that says what its classes are into the order of a dataset's classes. Where they are not
// the same classes the error is *schema.Invalid.
func (m *Model) OrderClasses(document string, classes []string) error {
	if m.Classes == nil || slices.Equal(m.Classes, classes) {
		return nil
	}
	from := make([]int, 0, len(classes))
	for _, class := range classes {
		from = append(from, slices.Index(m.Classes, class))
	}
	sorted := slices.Sorted(slices.Values(from))
	if len(m.Classes) != len(classes) || len(slices.Compact(sorted)) != len(from) || len(from) > 0 && sorted[0] < 0 {
		return schema.Invalidf(document, "", "its classes are %q, and those of the dataset %q", m.Classes, classes)
	}
	last := m.Layers[len(m.Layers)-1]
	if last.Kind != "dense" {
		return schema.Invalidf(document, "", "its classes %q are in another order than the dataset's, %q, and its last layer is no full one", m.Classes, classes)
	}
	for k, t := range m.Tensors {
		if t.Name != last.Name+".weight" && t.Name != last.Name+".bias" {
			continue
		}
		row := len(t.Data) / len(from)
		data := make([]byte, 0, len(t.Data))
		for _, i := range from {
			data = append(data, t.Data[i*row:][:row]...)
		}
		m.Tensors[k] = closure.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: data}
	}
	m.Classes = slices.Clone(classes)
	return nil
}
