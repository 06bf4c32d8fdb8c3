package schema

// checkDataset checks what the schema cannot say: that the record holds its fields, that shards add up to splits, and
// that constants fit the features.
func checkDataset(s *source, d *Dataset) {
	s.rule("name", CheckName(d.Name))
	s.rule("version", CheckVersion(d.Version))
	if !s.checkRecord("record", d.Record) {
		return
	}
	inOrder(s, "splits", "name", d.Splits, func(p Split) string { return p.Name })
	for i, split := range d.Splits {
		path := item("splits", i)
		var records int64
		for j, shard := range split.Shards {
			// A sum of a million shards of less than 2⁵³ records would overflow only beyond what a document may hold.
			records += shard.Records
			if shard.Size/int64(d.Record.Size) != shard.Records || shard.Size%int64(d.Record.Size) != 0 {
				s.report(field(item(field(path, "shards"), j), "size"), "", "%d bytes are not %d records of %d bytes",
					shard.Size, shard.Records, d.Record.Size)
			}
		}
		if records != split.Records {
			s.report(field(path, "records"), "", "%d is not the sum over its shards, %d", split.Records, records)
		}
	}
	if st := d.Statistics; st != nil {
		features := 1
		if shape := d.Record.Input.Shape; len(shape) > 0 {
			features = shape[len(shape)-1]
		}
		for name, n := range map[string]int{"mean": len(st.Mean), "deviation": len(st.Deviation)} {
			if n != features {
				s.report(field("statistics", name), "", "has %d entries for %d features", n, features)
			}
		}
		for i, v := range st.Deviation {
			if v <= 0 {
				s.report(item("statistics.deviation", i), "write 1 where a feature is constant", "%s is not a positive number", number(v))
			}
		}
	}
}

// checkRecord checks that both fields lie inside the record and apart. It reports whether they do.
func (s *source) checkRecord(path string, r RecordLayout) bool {
	inside := func(name string, f Field) bool {
		where := field(path, name)
		if !s.checkShape(field(where, "shape"), f.Shape, DTypeSize(f.DType)) {
			return false
		}
		if f.Offset > r.Size-f.Bytes() {
			s.report(where, "", "ends at byte %d of a record of %d bytes", f.Offset+f.Bytes(), r.Size)
			return false
		}
		return true
	}
	if in, target := inside("input", r.Input), inside("target", r.Target); !in || !target {
		return false
	}
	if r.Input.Offset < r.Target.Offset+r.Target.Bytes() && r.Target.Offset < r.Input.Offset+r.Input.Bytes() {
		s.report(path, "", "input and target overlap")
		return false
	}
	return true
}
