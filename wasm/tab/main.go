//go:build js && wasm

// Command tab is the compiler in a visitor's tab: GOOS=js GOARCH=wasm. It puts one function into the global scope, reprise,
// which takes the text of a closure.json and returns JSON: {compiler, engines: [{named, made}]} or {problem}. Each engine that
// ran, the last first, is named by its digest in the closure; made is the digest of what its specification compiles to here.
package main

import (
	"encoding/json"
	"syscall/js"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm"
)

type answer struct {
	Compiler string   `json:"compiler"`
	Engines  []engine `json:"engines"`
	Problem  string   `json:"problem,omitempty"`
}

type engine struct {
	Named    schema.Digest `json:"named"`
	Compiler string        `json:"compiler"` // that made it, by its own account
	Foreign  bool          `json:"foreign"`
	Made     schema.Digest `json:"made,omitzero"`
	Problem  string        `json:"problem,omitempty"` // why it does not compile
}

func main() {
	js.Global().Set("reprise", js.FuncOf(func(_ js.Value, arguments []js.Value) any {
		text, err := json.Marshal(derive([]byte(arguments[0].String())))
		if err != nil {
			panic(err) // digests and texts are JSON
		}
		return string(text)
	}))
	select {} // the function is called as long as the worker lives
}

func derive(document []byte) answer {
	a := answer{Compiler: wasm.Version, Engines: []engine{}}
	var c schema.Closure
	if err := json.Unmarshal(document, &c); err != nil {
		a.Problem = err.Error()
		return a
	}
	a.Engines = append(a.Engines, compile(c.Engine, c.Resolved()))
	for _, e := range c.Earlier {
		a.Engines = append(a.Engines, compile(e.Engine, e.Resolved()))
	}
	return a
}

func compile(named schema.EngineReference, r schema.Resolved) engine {
	e := engine{Named: named.Digest, Compiler: named.Compiler, Foreign: named.Foreign}
	code, err := wasm.Compile(r, wasm.Options{})
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	e.Made = schema.DigestOf(code)
	return e
}
