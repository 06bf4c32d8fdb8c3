package engine

import (
	"slices"
	"strings"

	"github.com/reprise-ml/reprise/wasm/module"
)

// SectionName is the name of the custom section that describes the engine.
const SectionName = "reprise.engine"

// ExportMemory is the memory that holds the regions.
const ExportMemory = "memory"

// Functions of ABI 1.
const (
	ExportInit       = "init"
	ExportRestore    = "restore"
	ExportSelect     = "select"
	ExportAccumulate = "accumulate"
	ExportApply      = "apply"
	ExportEvaluate   = "evaluate"
	ExportPredict    = "predict"
)

// Limits of an engine.
const (
	// MaxSize of the module in bytes. The largest of our own compiler are below 1 MB.
	MaxSize = 32 << 20
	// MaxMemory in bytes: what a browser on a telephone may still give.
	MaxMemory = 1 << 30
)

// Signature is an exported function.
type Signature struct {
	Name    string
	Params  []module.ValType
	Results []module.ValType
}

// Signatures are the functions that every engine exports.
func Signatures() []Signature {
	i32, i64 := module.I32, module.I64
	types := func(ts ...module.ValType) []module.ValType { return ts }
	return []Signature{
		{ExportInit, types(i64), nil},                        // seed
		{ExportRestore, nil, nil},                            //
		{ExportSelect, types(i64, i64, i64), types(i32)},     // step, microbatch, examples → n
		{ExportAccumulate, types(i64, i64, i32), types(i32)}, // step, microbatch, n → status
		{ExportApply, types(i64), types(i32)},                // step → status
		{ExportEvaluate, types(i32), types(i32)},             // n → status
		{ExportPredict, types(i32), types(i32)},              // n → status
	}
}

func (s Signature) String() string { return s.Name + typeText(s.Params, s.Results) }

func (s Signature) matches(t module.FuncType) bool {
	return slices.Equal(s.Params, t.Params) && slices.Equal(s.Results, t.Results)
}

// typeText writes a signature as "(i64, i32) → i32".
func typeText(params, results []module.ValType) string {
	list := func(ts []module.ValType) string {
		names := make([]string, len(ts))
		for i, t := range ts {
			names[i] = t.String()
		}
		return strings.Join(names, ", ")
	}
	s := "(" + list(params) + ")"
	if len(results) > 0 {
		s += " → " + list(results)
	}
	return s
}
