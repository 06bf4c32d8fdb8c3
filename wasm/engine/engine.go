package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/module"
)

// Engine is a module whose structure is that of ABI 1.
type Engine struct {
	Section *schema.EngineSection
	// Memory is the size of its memory in bytes.
	Memory int64

	module *module.Module
}

// Parse checks the structure of an engine. Where it is not acceptable the error is a *schema.Invalid with everything that
// was found wrong.
func Parse(data []byte) (*Engine, error) {
	if len(data) > MaxSize {
		return nil, invalid(problem("", "use a smaller module", "it has %d bytes; at most %d are read", len(data), MaxSize))
	}
	m, err := module.Decode(data)
	if err != nil {
		return nil, invalid(problem("", "it must be a WebAssembly module, version 1", "%v", err))
	}
	section, err := readSection(m)
	if err != nil {
		return nil, err
	}
	var c checker
	e := &Engine{Section: section, Memory: c.memory(m), module: m}
	c.structure(m)
	c.bodies(m)
	if len(c.problems) == 0 {
		c.section(section, e.Memory)
	}
	if len(c.problems) > 0 {
		return nil, invalid(c.problems...)
	}
	return e, nil
}

// AppendSection returns the module with the section that describes it. The module must not have one.
func AppendSection(m *module.Module, s schema.EngineSection) (*module.Module, error) {
	text, err := schema.Canonical(s)
	if err != nil {
		return nil, fmt.Errorf("engine section: %w", err)
	}
	described := *m
	described.Custom = append(slices.Clip(m.Custom), module.Custom{Name: SectionName, Bytes: text})
	return &described, nil
}

func readSection(m *module.Module) (*schema.EngineSection, error) {
	var found []module.Custom
	for _, c := range m.Custom {
		if c.Name == SectionName {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return nil, invalid(problem("section", "an engine describes itself in exactly one",
			"there are %d custom sections %q", len(found), SectionName))
	}
	return schema.ReadEngineSection("engine section", found[0].Bytes)
}

// checker collects what is wrong.
type checker struct{ problems []schema.Problem }

func (c *checker) add(path, hint, format string, args ...any) {
	const enough = 20
	if len(c.problems) < enough {
		c.problems = append(c.problems, problem(path, hint, format, args...))
	}
}

func problem(path, hint, format string, args ...any) schema.Problem {
	return schema.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func invalid(problems ...schema.Problem) error {
	return &schema.Invalid{Document: "engine", Problems: problems}
}

// memory checks the memory and returns its size in bytes.
func (c *checker) memory(m *module.Module) int64 {
	if len(m.Memories) != 1 {
		c.add("memory", "declare exactly one", "it declares %d memories", len(m.Memories))
		return 0
	}
	lim := m.Memories[0]
	size := int64(lim.Min) * module.PageSize
	switch {
	case !lim.HasMax:
		c.add("memory", "state its size as minimum and maximum", "it has no maximum, so it is not fixed")
	case lim.Min != lim.Max:
		c.add("memory", "state its size as minimum and maximum", "it has %d to %d pages, so it is not fixed", lim.Min, lim.Max)
	case size > MaxMemory:
		c.add("memory", "use smaller microbatches", "it has %d MB; at most %d are allowed", size>>20, MaxMemory>>20)
	}
	return size
}

// structure checks imports, start function and exports.
func (c *checker) structure(m *module.Module) {
	for _, im := range m.Imports {
		c.add("imports", "an engine imports nothing", "it imports %q from %q", im.Name, im.Module)
	}
	if m.Start != nil {
		c.add("start", "do the work in init or restore", "it has a start function")
	}
	exports := map[string]module.Export{}
	for _, e := range m.Exports {
		if _, twice := exports[e.Name]; twice {
			c.add("export "+e.Name, "", "it appears twice")
		}
		if e.Name == FuelGlobal {
			c.add("export "+e.Name, "", "this name is reserved for the counter of fuel")
		}
		exports[e.Name] = e
	}
	if e, ok := exports[ExportMemory]; !ok || e.Kind != module.KindMemory || e.Index != 0 {
		c.add("export "+ExportMemory, "export the memory under this name", "it is missing")
	}
	for _, s := range Signatures() {
		e, ok := exports[s.Name]
		if !ok {
			c.add("export "+s.Name, "it must be "+s.String(), "it is missing")
			continue
		}
		t, ok := exportedType(m, e)
		switch {
		case !ok:
			c.add("export "+s.Name, "it must be "+s.String(), "it is not a function")
		case !s.matches(t):
			c.add("export "+s.Name, "it must be "+s.String(), "its signature is %s", typeText(t.Params, t.Results))
		}
	}
}

// exportedType is the signature of an exported function that the module defines.
func exportedType(m *module.Module, e module.Export) (module.FuncType, bool) {
	i := int64(e.Index) - int64(m.ImportedFunctions())
	if e.Kind != module.KindFunc || i < 0 || i >= int64(len(m.Functions)) {
		return module.FuncType{}, false
	}
	t := m.Functions[i].Type
	if uint64(t) >= uint64(len(m.Types)) {
		return module.FuncType{}, false
	}
	return m.Types[t], true
}

// bodies checks every instruction against the allow-list.
func (c *checker) bodies(m *module.Module) {
	for i, f := range m.Functions {
		for _, err := range module.Instructions(f.Body) {
			if err != nil {
				c.add(functionPath(i, f), "", "%v", plain(err))
			}
		}
	}
}

// plain names a refused instruction without its position, which means nothing to a reader of the source.
func plain(err error) error {
	if refused, ok := errors.AsType[*module.RefusedError](err); ok {
		return fmt.Errorf("%s: %s", refused.Definition.Name, refused.Definition.Refused)
	}
	return err
}

func functionPath(i int, f module.Function) string {
	if f.Name != "" {
		return "function " + f.Name
	}
	return fmt.Sprintf("function %d", i)
}
