package module

// Immediates says what follows an opcode in the binary format (5.4).
type Immediates byte

// Kinds of immediates.
const (
	ImmNone       Immediates = iota
	ImmBlock                 // a block type: block, loop, if
	ImmLabel                 // a label: br, br_if
	ImmLabels                // labels, the default last: br_table
	ImmFunction              // a function: call
	ImmIndirect              // a type and a table: call_indirect
	ImmTypes                 // value types: select with a type
	ImmLocal                 // a local variable
	ImmGlobal                // a global variable
	ImmAccess                // alignment and offset: loads and stores
	ImmMemory                // a memory, which must be 0: memory.size, memory.fill
	ImmMemories              // two memories, which must be 0: memory.copy
	ImmI32                   // signed LEB128
	ImmI64                   // signed LEB128
	ImmF32                   // four bytes
	ImmF64                   // eight bytes
	ImmV128                  // sixteen bytes
	ImmLane                  // a lane
	ImmLaneAccess            // alignment, offset and lane
	ImmShuffle               // sixteen lanes
)

// Definition describes an instruction.
type Definition struct {
	Name       string // as in the text format
	Immediates Immediates
	// Refused is why an engine may not use the instruction, empty where it may. What follows the opcode of a refused
	// instruction is not read.
	Refused string
}

// Define looks an opcode up. Opcodes that no version of WebAssembly known here has are not found.
func Define(op Op) (Definition, bool) {
	d, ok := definitions[op]
	return d, ok
}

// Reasons for which instructions are refused: what an engine does must be the same on every machine, and bounded.
const (
	whyGrow      = "memory is fixed: state its full size as minimum and maximum"
	whyBulk      = "only memory.fill and memory.copy are allowed: use active data segments"
	whyReference = "reference types are not allowed, but for call_indirect"
	whyTail      = "tail calls are not allowed"
	whyException = "exceptions are not allowed: return a status"
	whyAtomic    = "threads are not allowed: the host runs an instance per worker"
	whyRelaxed   = "relaxed vector instructions give different results on different machines"
)

// definitions is the one table of instructions. It is an allow-list: those of the first version of WebAssembly, sign
// extension, saturating conversions, memory.fill and memory.copy, multiple values, and fixed-width vectors. Refused
// instructions have an entry only so that the refusal can name them.
var definitions = buildDefinitions()

func buildDefinitions() map[Op]Definition {
	t := make(map[Op]Definition, 512)
	// run defines consecutive opcodes; an empty name skips one.
	run := func(first Op, imm Immediates, prefix string, names ...string) {
		for i, n := range names {
			if n != "" {
				t[first+Op(i)] = Definition{Name: prefix + n, Immediates: imm}
			}
		}
	}
	refuse := func(first Op, why string, names ...string) {
		for i, n := range names {
			if n != "" {
				t[first+Op(i)] = Definition{Name: n, Refused: why}
			}
		}
	}
	defineControl(run, refuse)
	defineNumbers(run)
	defineVectors(run)
	refuse(vec(256), whyRelaxed, "i8x16.relaxed_swizzle",
		"i32x4.relaxed_trunc_f32x4_s", "i32x4.relaxed_trunc_f32x4_u",
		"i32x4.relaxed_trunc_f64x2_s_zero", "i32x4.relaxed_trunc_f64x2_u_zero",
		"f32x4.relaxed_madd", "f32x4.relaxed_nmadd", "f64x2.relaxed_madd", "f64x2.relaxed_nmadd",
		"i8x16.relaxed_laneselect", "i16x8.relaxed_laneselect", "i32x4.relaxed_laneselect", "i64x2.relaxed_laneselect",
		"f32x4.relaxed_min", "f32x4.relaxed_max", "f64x2.relaxed_min", "f64x2.relaxed_max",
		"i16x8.relaxed_q15mulr_s", "i16x8.relaxed_dot_i8x16_i7x16_s", "i32x4.relaxed_dot_i8x16_i7x16_add_s")
	return t
}

type definer func(first Op, imm Immediates, prefix string, names ...string)

func defineControl(run definer, refuse func(first Op, why string, names ...string)) {
	run(0x00, ImmNone, "", "unreachable", "nop")
	run(0x02, ImmBlock, "", "block", "loop", "if")
	run(0x05, ImmNone, "", "else")
	refuse(0x06, whyException, "try", "catch", "throw", "rethrow", "throw_ref")
	run(0x0b, ImmNone, "", "end")
	run(0x0c, ImmLabel, "", "br", "br_if")
	run(0x0e, ImmLabels, "", "br_table")
	run(0x0f, ImmNone, "", "return")
	run(0x10, ImmFunction, "", "call")
	run(0x11, ImmIndirect, "", "call_indirect")
	refuse(0x12, whyTail, "return_call", "return_call_indirect", "return_call_ref")
	refuse(0x18, whyException, "delegate", "catch_all")
	run(0x1a, ImmNone, "", "drop", "select")
	run(0x1c, ImmTypes, "", "select")
	refuse(0x1f, whyException, "try_table")
	run(0x20, ImmLocal, "local.", "get", "set", "tee")
	run(0x23, ImmGlobal, "global.", "get", "set")
	refuse(0x25, whyReference, "table.get", "table.set")
	run(0x28, ImmAccess, "", "i32.load", "i64.load", "f32.load", "f64.load",
		"i32.load8_s", "i32.load8_u", "i32.load16_s", "i32.load16_u",
		"i64.load8_s", "i64.load8_u", "i64.load16_s", "i64.load16_u", "i64.load32_s", "i64.load32_u",
		"i32.store", "i64.store", "f32.store", "f64.store",
		"i32.store8", "i32.store16", "i64.store8", "i64.store16", "i64.store32")
	run(0x3f, ImmMemory, "", "memory.size")
	refuse(0x40, whyGrow, "memory.grow")
	run(0x41, ImmI32, "", "i32.const")
	run(0x42, ImmI64, "", "i64.const")
	run(0x43, ImmF32, "", "f32.const")
	run(0x44, ImmF64, "", "f64.const")
	refuse(0xd0, whyReference, "ref.null", "ref.is_null", "ref.func", "ref.eq", "ref.as_non_null", "br_on_null", "br_on_non_null")

	refuse(misc(8), whyBulk, "memory.init", "data.drop")
	run(misc(10), ImmMemories, "", "memory.copy")
	run(misc(11), ImmMemory, "", "memory.fill")
	refuse(misc(12), whyReference, "table.init", "elem.drop", "table.copy", "table.grow", "table.size", "table.fill")
}

func defineNumbers(run definer) {
	integerTests := []string{"eqz", "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"}
	floatTests := []string{"eq", "ne", "lt", "gt", "le", "ge"}
	integers := []string{
		"clz", "ctz", "popcnt", "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u",
		"and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr",
	}
	floats := []string{
		"abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt", "add", "sub", "mul", "div", "min", "max", "copysign",
	}
	run(0x45, ImmNone, "i32.", integerTests...)
	run(0x50, ImmNone, "i64.", integerTests...)
	run(0x5b, ImmNone, "f32.", floatTests...)
	run(0x61, ImmNone, "f64.", floatTests...)
	run(0x67, ImmNone, "i32.", integers...)
	run(0x79, ImmNone, "i64.", integers...)
	run(0x8b, ImmNone, "f32.", floats...)
	run(0x99, ImmNone, "f64.", floats...)
	run(0xa7, ImmNone, "",
		"i32.wrap_i64", "i32.trunc_f32_s", "i32.trunc_f32_u", "i32.trunc_f64_s", "i32.trunc_f64_u",
		"i64.extend_i32_s", "i64.extend_i32_u",
		"i64.trunc_f32_s", "i64.trunc_f32_u", "i64.trunc_f64_s", "i64.trunc_f64_u",
		"f32.convert_i32_s", "f32.convert_i32_u", "f32.convert_i64_s", "f32.convert_i64_u", "f32.demote_f64",
		"f64.convert_i32_s", "f64.convert_i32_u", "f64.convert_i64_s", "f64.convert_i64_u", "f64.promote_f32",
		"i32.reinterpret_f32", "i64.reinterpret_f64", "f32.reinterpret_i32", "f64.reinterpret_i64",
		"i32.extend8_s", "i32.extend16_s", "i64.extend8_s", "i64.extend16_s", "i64.extend32_s")
	run(misc(0), ImmNone, "",
		"i32.trunc_sat_f32_s", "i32.trunc_sat_f32_u", "i32.trunc_sat_f64_s", "i32.trunc_sat_f64_u",
		"i64.trunc_sat_f32_s", "i64.trunc_sat_f32_u", "i64.trunc_sat_f64_s", "i64.trunc_sat_f64_u")
}

func defineVectors(run definer) {
	run(vec(0), ImmAccess, "v128.", "load", "load8x8_s", "load8x8_u", "load16x4_s", "load16x4_u", "load32x2_s", "load32x2_u",
		"load8_splat", "load16_splat", "load32_splat", "load64_splat", "store")
	run(vec(12), ImmV128, "v128.", "const")
	run(vec(13), ImmShuffle, "i8x16.", "shuffle")
	run(vec(14), ImmNone, "", "i8x16.swizzle",
		"i8x16.splat", "i16x8.splat", "i32x4.splat", "i64x2.splat", "f32x4.splat", "f64x2.splat")
	run(vec(21), ImmLane, "", "i8x16.extract_lane_s", "i8x16.extract_lane_u", "i8x16.replace_lane",
		"i16x8.extract_lane_s", "i16x8.extract_lane_u", "i16x8.replace_lane",
		"i32x4.extract_lane", "i32x4.replace_lane", "i64x2.extract_lane", "i64x2.replace_lane",
		"f32x4.extract_lane", "f32x4.replace_lane", "f64x2.extract_lane", "f64x2.replace_lane")

	tests := []string{"eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"}
	run(vec(35), ImmNone, "i8x16.", tests...)
	run(vec(45), ImmNone, "i16x8.", tests...)
	run(vec(55), ImmNone, "i32x4.", tests...)
	run(vec(65), ImmNone, "f32x4.", "eq", "ne", "lt", "gt", "le", "ge")
	run(vec(71), ImmNone, "f64x2.", "eq", "ne", "lt", "gt", "le", "ge")
	run(vec(77), ImmNone, "v128.", "not", "and", "andnot", "or", "xor", "bitselect", "any_true")
	run(vec(84), ImmLaneAccess, "v128.", "load8_lane", "load16_lane", "load32_lane", "load64_lane",
		"store8_lane", "store16_lane", "store32_lane", "store64_lane")
	run(vec(92), ImmAccess, "v128.", "load32_zero", "load64_zero")
	run(vec(94), ImmNone, "", "f32x4.demote_f64x2_zero", "f64x2.promote_low_f32x4")

	run(vec(96), ImmNone, "i8x16.", "abs", "neg", "popcnt", "all_true", "bitmask", "narrow_i16x8_s", "narrow_i16x8_u",
		"", "", "", "", // 103–106: f32x4
		"shl", "shr_s", "shr_u", "add", "add_sat_s", "add_sat_u", "sub", "sub_sat_s", "sub_sat_u",
		"", "", // 116, 117: f64x2
		"min_s", "min_u", "max_s", "max_u",
		"", // 122: f64x2
		"avgr_u")
	run(vec(103), ImmNone, "f32x4.", "ceil", "floor", "trunc", "nearest")
	run(vec(116), ImmNone, "f64x2.", "ceil", "floor")
	run(vec(122), ImmNone, "f64x2.", "trunc")
	run(vec(148), ImmNone, "f64x2.", "nearest")

	run(vec(124), ImmNone, "i16x8.", "extadd_pairwise_i8x16_s", "extadd_pairwise_i8x16_u")
	run(vec(126), ImmNone, "i32x4.", "extadd_pairwise_i16x8_s", "extadd_pairwise_i16x8_u")
	run(vec(128), ImmNone, "i16x8.", "abs", "neg", "q15mulr_sat_s", "all_true", "bitmask", "narrow_i32x4_s", "narrow_i32x4_u",
		"extend_low_i8x16_s", "extend_high_i8x16_s", "extend_low_i8x16_u", "extend_high_i8x16_u",
		"shl", "shr_s", "shr_u", "add", "add_sat_s", "add_sat_u", "sub", "sub_sat_s", "sub_sat_u",
		"", // 148: f64x2
		"mul", "min_s", "min_u", "max_s", "max_u", "", "avgr_u",
		"extmul_low_i8x16_s", "extmul_high_i8x16_s", "extmul_low_i8x16_u", "extmul_high_i8x16_u")
	run(vec(160), ImmNone, "i32x4.", "abs", "neg", "", "all_true", "bitmask", "", "",
		"extend_low_i16x8_s", "extend_high_i16x8_s", "extend_low_i16x8_u", "extend_high_i16x8_u",
		"shl", "shr_s", "shr_u", "add", "", "", "sub", "", "", "", "mul", "min_s", "min_u", "max_s", "max_u",
		"dot_i16x8_s", "",
		"extmul_low_i16x8_s", "extmul_high_i16x8_s", "extmul_low_i16x8_u", "extmul_high_i16x8_u")
	run(vec(192), ImmNone, "i64x2.", "abs", "neg", "", "all_true", "bitmask", "", "",
		"extend_low_i32x4_s", "extend_high_i32x4_s", "extend_low_i32x4_u", "extend_high_i32x4_u",
		"shl", "shr_s", "shr_u", "add", "", "", "sub", "", "", "", "mul",
		"eq", "ne", "lt_s", "gt_s", "le_s", "ge_s",
		"extmul_low_i32x4_s", "extmul_high_i32x4_s", "extmul_low_i32x4_u", "extmul_high_i32x4_u")
	floats := []string{"abs", "neg", "", "sqrt", "add", "sub", "mul", "div", "min", "max", "pmin", "pmax"}
	run(vec(224), ImmNone, "f32x4.", floats...)
	run(vec(236), ImmNone, "f64x2.", floats...)
	run(vec(248), ImmNone, "", "i32x4.trunc_sat_f32x4_s", "i32x4.trunc_sat_f32x4_u",
		"f32x4.convert_i32x4_s", "f32x4.convert_i32x4_u",
		"i32x4.trunc_sat_f64x2_s_zero", "i32x4.trunc_sat_f64x2_u_zero",
		"f64x2.convert_low_i32x4_s", "f64x2.convert_low_i32x4_u")
}
