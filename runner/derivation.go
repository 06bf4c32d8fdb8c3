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

// derive recompiles a closure's specification and compares engines. An engine of another release counts as a declared
// foreign one: nothing is proved by it, and nothing held against it.
func (d Derivation) derive(c *schema.Closure) (derived, error) {
	if c.Engine.Foreign {
		return derived{kind: schema.Foreign}, nil
	}
	if d.Compile == nil {
		return derived{}, errors.New("derivation: no compiler was given")
	}
	wasm, err := d.Compile(c.Resolved())
	switch {
	case err == nil && schema.DigestOf(wasm) == c.Engine.Digest:
		return derived{kind: schema.Derived}, nil
	case c.Engine.Compiler != "" && c.Engine.Compiler != d.Compiler:
		return derived{kind: schema.OtherCompiler, note: fmt.Sprintf(
			"the engine was made by compiler %s, and this is %s: only what is computed blindly is proved", c.Engine.Compiler, d.Compiler)}, nil
	case err != nil:
		return derived{kind: schema.Foreign, failed: fmt.Sprintf(
			"the engine is not declared foreign, and the specification does not compile: %v", err)}, nil
	}
	return derived{kind: schema.Foreign, failed: fmt.Sprintf(
		"the engine is not declared foreign, but it is not what the specification compiles to: it is %s, and compiling gives %s",
		c.Engine.Digest.Short(), schema.DigestOf(wasm).Short())}, nil
}
