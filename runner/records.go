package runner

import (
	"context"

	"github.com/reprise-ml/reprise/schema"
)

// Records is one split of a dataset. It is safe for concurrent use.
type Records interface {
	Len() int64
	Layout() schema.RecordLayout
	// Read copies the k-th chosen record's input and target fields to input[k·inputBytes:] and target[k·targetBytes:].
	// A nil target is not wanted.
	Read(ctx context.Context, indices []uint32, input, target []byte) error
}

// Data are the records that a team works on. Test may be nil.
type Data struct {
	Train Records
	Test  Records
}

// records of a role, or *schema.Invalid.
func (d Data) records(role string) (Records, error) {
	r := d.Train
	if role == schema.RoleTest {
		r = d.Test
	}
	if r == nil {
		return nil, schema.Invalidf("datasets", role, "no records play this role")
	}
	return r, nil
}

// fitRecords checks that records fit an engine's regions.
func (l layout) fitRecords(role string, r Records) error {
	if r == nil {
		return nil
	}
	record := r.Layout()
	if record.Input.Bytes() != l.inputBytes {
		return schema.Invalidf("engine", "regions.input", "%d bytes per record, and those of the %s split have %d", l.inputBytes, role, record.Input.Bytes())
	}
	if record.Target.Bytes() != l.targetBytes {
		return schema.Invalidf("engine", "regions.target", "%d bytes per record, and those of the %s split have %d", l.targetBytes, role, record.Target.Bytes())
	}
	return nil
}
