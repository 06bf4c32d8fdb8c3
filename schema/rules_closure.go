package schema

import "strings"

// checkClosure checks what the schema cannot say.
func checkClosure(s *source, c *Closure) {
	s.rule("name", CheckName(c.Name))
	s.rule("version", CheckVersion(c.Version))
	s.checkModel(c.Model)
	s.checkAlgorithm(c.Algorithm)
	for i, l := range c.Model.Layers {
		if l.Kind == "" {
			s.report(item("model.layers", i), "", "names no operation")
		}
	}
	inOrder(s, "datasets", "role", c.Datasets, func(d ClosureDataset) string { return d.Role })
	inOrder(s, "files", "path", c.Files, func(f File) string { return f.Path })
	for i, d := range c.Datasets {
		path := item("datasets", i)
		s.rule(field(path, "name"), CheckName(d.Name))
		s.checkRecord(field(path, "record"), d.Record)
	}
	for i, r := range c.Results {
		s.checkResult(item("results", i), r)
	}
	if c.Parameters.Step > c.Algorithm.Steps {
		s.report("parameters.step", "", "%d is beyond the run's %d steps", c.Parameters.Step, c.Algorithm.Steps)
	}
}

// checkResult checks that a claim has the numbers of its metric.
func (s *source) checkResult(path string, r Result) {
	switch r.Metric {
	case MetricAccuracy:
		switch {
		case r.Correct == nil:
			s.report(field(path, "correct"), "", "is missing: an accuracy is correct of total")
		case *r.Correct > r.Total:
			s.report(field(path, "correct"), "", "%d is more than the total, %d", *r.Correct, r.Total)
		}
		if r.Sum != nil {
			s.report(field(path, "sum"), "", "does not belong to an accuracy")
		}
	case MetricLoss:
		if r.Sum == nil {
			s.report(field(path, "sum"), "", "is missing: a loss is sum over total")
		}
		if r.Correct != nil {
			s.report(field(path, "correct"), "", "does not belong to a loss")
		}
	}
}

// inOrder checks that a list is sorted by a key that no two of its elements share.
func inOrder[T any](s *source, path, key string, list []T, of func(T) string) {
	for i := 1; i < len(list); i++ {
		where := field(item(path, i), key)
		switch strings.Compare(of(list[i-1]), of(list[i])) {
		case 0:
			s.report(where, "", "%q is listed twice", of(list[i]))
		case 1:
			s.report(where, "sort the list by "+key, "%q comes after %q", of(list[i]), of(list[i-1]))
		}
	}
}
