package runner

import (
	"errors"
	"fmt"

	"github.com/reprise-ml/reprise/schema"
)

// Derivation is how verify and replay recompile a specification.
type Derivation struct {
	// Compile is the compiler.
	Compile func(schema.Resolved) ([]byte, error)
	// Compiler is its version, as engine sections and closures name it.
	Compiler string
}

// derived is the outcome of a derivation.
type derived struct {
	kind string // schema.Derived, schema.OtherCompiler or schema.Foreign
	// failed says why a closure that does not declare a foreign engine has failed; else empty.
	failed string
	// note says what an engine of another compiler proves; else empty.
	note string
}

// derive recompiles the specifications of a closure's engines and compares. An engine of another release counts as a
// declared foreign one: nothing is proved by it, and nothing held against it. Of several engines the least proved counts.
func (d Derivation) derive(c *schema.Closure) (derived, error) {
	all, err := d.engine(c.Engine, c.Resolved())
	for _, e := range c.Earlier {
		if err != nil || all.failed != "" {
			break
		}
		var one derived
		one, err = d.engine(e.Engine, e.Resolved())
		switch {
		case one.failed != "":
			all = derived{kind: schema.Foreign, failed: "an engine that ran before: " + one.failed}
		case all.kind == schema.Derived:
			all = one
		}
	}
	return all, err
}

// engine is derive for one engine.
func (d Derivation) engine(e schema.EngineReference, r schema.Resolved) (derived, error) {
	if e.Foreign {
		return derived{kind: schema.Foreign}, nil
	}
	if d.Compile == nil {
		return derived{}, errors.New("derivation: no compiler was given")
	}
	wasm, err := d.Compile(r)
	switch {
	case err == nil && schema.DigestOf(wasm) == e.Digest:
		return derived{kind: schema.Derived}, nil
	case e.Compiler != "" && e.Compiler != d.Compiler:
		return derived{kind: schema.OtherCompiler, note: fmt.Sprintf(
			"the engine was made by compiler %s, and this is %s: only what is computed blindly is proved", e.Compiler, d.Compiler)}, nil
	case err != nil:
		return derived{kind: schema.Foreign, failed: fmt.Sprintf(
			"the engine is not declared foreign, and the specification does not compile: %v", err)}, nil
	}
	return derived{kind: schema.Foreign, failed: fmt.Sprintf(
		"the engine is not declared foreign, but it is not what the specification compiles to: it is %s, and compiling gives %s",
		e.Digest.Short(), schema.DigestOf(wasm).Short())}, nil
}
