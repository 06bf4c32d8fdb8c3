package runner

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/engine"
)

// Limits that a host puts on engines.
const (
	// DefaultFuel is the cap of the fuel of one call: some minutes of work.
	DefaultFuel = int64(1) << 40
	// DefaultMemory is the cap of the memory of one instance in bytes.
	DefaultMemory = int64(1) << 30
)

// Options of a Runtime. The zero value is the usual one.
type Options struct {
	// Interpreter executes engines without compiling them for this machine: some 70 times slower, the same bits.
	Interpreter bool
	// Fuel caps the fuel of one call, whatever the engine's section asks for; 0 means DefaultFuel, a negative value no
	// cap.
	Fuel int64
	// Memory caps the memory of one instance in bytes; 0 means DefaultMemory.
	Memory int64
}

func (o Options) memory() int64 {
	if o.Memory == 0 {
		return DefaultMemory
	}
	return o.Memory
}

// budget is the fuel of one call of an export, given what the engine's section states.
func (o Options) budget(stated int64) int64 {
	switch {
	case o.Fuel < 0:
		return stated
	case o.Fuel == 0:
		return min(stated, DefaultFuel)
	}
	return min(stated, o.Fuel)
}

// Runtime compiles engines for this machine. It is safe for concurrent use.
type Runtime struct {
	options Options
	wazero  wazero.Runtime
}

// Open makes a runtime. Close releases it with everything that it compiled and instantiated.
func Open(ctx context.Context, o Options) *Runtime {
	config := wazero.NewRuntimeConfig()
	if o.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	// Engines may use no feature of a later version; the validator refuses them, this is the second lock.
	config = config.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
	return &Runtime{options: o, wazero: wazero.NewRuntimeWithConfig(ctx, config)}
}

// Close releases the runtime. No instance may be in a call.
func (r *Runtime) Close(ctx context.Context) {
	_ = r.wazero.Close(ctx) // an engine has no files whose closing could fail
}

// Engine is a compiled engine, from which instances are made. It is safe for concurrent use.
type Engine struct {
	section  *schema.EngineSection
	digest   schema.Digest
	layout   layout
	options  Options
	wazero   wazero.Runtime
	compiled wazero.CompiledModule
}

// Load validates an engine, rewrites a copy of it that charges fuel, and compiles that. An engine that is not acceptable
// gives *schema.Invalid.
func (r *Runtime) Load(ctx context.Context, wasm []byte) (*Engine, error) {
	parsed, err := engine.Parse(wasm)
	if err != nil {
		return nil, err
	}
	if parsed.Memory > r.options.memory() {
		return nil, schema.Invalidf("engine", "memory", "it wants %d bytes; at most %d are given", parsed.Memory, r.options.memory())
	}
	fuelled, err := engine.Fuelled(wasm)
	if err != nil {
		return nil, err
	}
	e := &Engine{section: parsed.Section, digest: schema.DigestOf(wasm), layout: newLayout(parsed.Section), options: r.options, wazero: r.wazero}
	e.compiled, err = r.wazero.CompileModule(ctx, fuelled)
	if err != nil {
		return nil, schema.Invalidf("engine", "", "%v", err)
	}
	return e, nil
}

// Section describes the engine.
func (e *Engine) Section() *schema.EngineSection { return e.section }

// Digest is that of the engine's bytes as they were given, before fuel.
func (e *Engine) Digest() schema.Digest { return e.digest }

// Close releases the compiled code. Instances go on working.
func (e *Engine) Close(ctx context.Context) {
	_ = e.compiled.Close(ctx) // as above
}

// Instantiate makes an instance: memory of its own, before any init.
func (e *Engine) Instantiate(ctx context.Context) (*Instance, error) {
	module, err := e.wazero.InstantiateModule(ctx, e.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return newInstance(e, module), nil
}
