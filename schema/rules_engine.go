package schema

// checkEngineSection checks what the schema cannot say: names that are unique, defaults inside their bounds, status 0.
func checkEngineSection(s *source, e *EngineSection) {
	if e.Errors[0] != "" {
		s.report("errors[0]", "status 0 is success", "%q is not the empty text", shorten(e.Errors[0]))
	}
	names := map[string]string{}
	unique := func(path, name string) {
		if other, taken := names[name]; taken {
			s.report(field(path, "name"), "", "%s already has the name %q", other, shorten(name))
		}
		names[name] = path
	}
	for i, t := range e.Parameters {
		unique(item("parameters", i), t.Name)
		s.checkShape(field(item("parameters", i), "shape"), t.Shape, DTypeSize(t.DType))
	}
	for i, t := range e.State {
		unique(item("state", i), t.Name)
		s.checkShape(field(item("state", i), "shape"), t.Shape, DTypeSize(t.DType))
	}
	for _, name := range sortedKeys(e.Regions) {
		r := e.Regions[name]
		s.checkShape(field(field("regions", name), "shape"), r.Shape, DTypeSize(r.DType))
	}
	clear(names)
	for i, h := range e.Hyperparameters {
		path := item("hyperparameters", i)
		unique(path, h.Name)
		if h.Default < h.Min || h.Default > h.Max {
			s.report(field(path, "default"), "", "%s is outside of [%s, %s]", number(h.Default), number(h.Min), number(h.Max))
		}
	}
	clear(names)
	for i, g := range e.Segments {
		unique(item("segments", i), g.Name)
	}
}
