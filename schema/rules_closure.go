package schema

import (
	"slices"
	"strings"
)

// checkClosure checks what the schema cannot say.
func checkClosure(s *source, c *Closure) {
	s.rule("name", CheckName(c.Name))
	s.rule("version", CheckVersion(c.Version))
	s.checkModel(c.Model)
	s.checkAlgorithm(c.Algorithm)
	s.checkTrained("", c.Model, c.Datasets)
	inOrder(s, "files", "path", c.Files, func(f File) string { return f.Path })
	s.checkEarlier(c)
	for i, r := range c.Results {
		s.checkResult(item("results", i), r)
	}
	s.checkImported(c)
	if c.Parameters.Step > c.Algorithm.Steps {
		s.report("parameters.step", "", "%d is beyond the run's %d steps", c.Parameters.Step, c.Algorithm.Steps)
	}
}

// checkTrained checks what a closure says, beside what a specification does, about a model and the datasets that it was
// trained on. The prefix of their fields' paths ends in a dot, or is empty.
func (s *source) checkTrained(prefix string, m Model, datasets []ClosureDataset) {
	for i, l := range m.Layers {
		if l.Kind == "" {
			s.report(item(prefix+"model.layers", i), "", "names no operation")
		}
	}
	inOrder(s, prefix+"datasets", "role", datasets, func(d ClosureDataset) string { return d.Role })
	for i, d := range datasets {
		path := item(prefix+"datasets", i)
		s.rule(field(path, "name"), CheckName(d.Name))
		s.checkRecord(field(path, "record"), d.Record)
	}
}

// checkEarlier checks that the engines that ran before are among the files, and no other ones.
func (s *source) checkEarlier(c *Closure) {
	inOrder(s, "earlier", "engine", c.Earlier, func(e EarlierEngine) string { return e.Engine.Digest.Hex() })
	listed := map[string]Digest{}
	for i, e := range c.Earlier {
		path := item("earlier", i)
		s.checkTrained(path+".", e.Model, e.Datasets)
		if e.Engine.Digest == c.Engine.Digest {
			s.report(field(path, "engine"), "", "is the closure's own engine")
		}
		if e.Algorithm.Seed != c.Algorithm.Seed {
			s.report(field(field(path, "algorithm"), "seed"), "", "%d is not the run's seed, %d", e.Algorithm.Seed, c.Algorithm.Seed)
		}
		listed[PathEarlierEngine(e.Engine.Digest)] = e.Engine.Digest
	}
	for i, f := range c.Files {
		if strings.HasPrefix(f.Path, prefixEarlier) && listed[f.Path] != f.Digest {
			s.report(item("files", i), "", "%s is no engine that is listed in earlier", f.Path)
		}
		delete(listed, f.Path)
	}
	for _, path := range sortedKeys(listed) {
		s.report("files", "", "%s is missing: its engine is listed in earlier", path)
	}
}

// checkImported checks that a run which began with imported parameters has them among its files, and that only such a run
// has no steps.
func (s *source) checkImported(c *Closure) {
	if c.Imported == nil {
		if c.Algorithm.Steps < 1 {
			s.report("algorithm.steps", "", "is missing: a run has at least one step, unless its parameters were imported")
		}
		return
	}
	for _, path := range []string{c.Imported.File, PathImported} {
		if !slices.ContainsFunc(c.Files, func(f File) bool { return f.Path == path }) {
			s.report("imported", "", "%s is not among the files", path)
		}
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
