package module

// Op is an opcode. Values below 0x100 are single bytes; 0xfcNN are the saturating conversions and bulk memory
// operations (prefix 0xfc), 0xfdNNN the vector instructions (prefix 0xfd). Only what the compiler emits has a name
// here; the table of all instructions that engines may use is in instructions.go.
type Op uint32

const (
	prefixMisc   = 0xfc
	prefixVector = 0xfd
)

func misc(n uint32) Op { return Op(prefixMisc<<16 | n) }
func vec(n uint32) Op  { return Op(prefixVector<<16 | n) }

// Control and variables.
const (
	Unreachable  Op = 0x00
	Block        Op = 0x02
	Loop         Op = 0x03
	If           Op = 0x04
	Else         Op = 0x05
	End          Op = 0x0b
	Br           Op = 0x0c
	BrIf         Op = 0x0d
	BrTable      Op = 0x0e
	Return       Op = 0x0f
	Call         Op = 0x10
	CallIndirect Op = 0x11
	Drop         Op = 0x1a
	Select       Op = 0x1b
	LocalGet     Op = 0x20
	LocalSet     Op = 0x21
	LocalTee     Op = 0x22
	globalGet    Op = 0x23
	globalSet    Op = 0x24
)

// Memory.
const (
	I32Load    Op = 0x28
	I64Load    Op = 0x29
	F32Load    Op = 0x2a
	F64Load    Op = 0x2b
	I32Load8S  Op = 0x2c
	I32Load8U  Op = 0x2d
	I32Load16U Op = 0x2f
	I32Store   Op = 0x36
	I64Store   Op = 0x37
	F32Store   Op = 0x38
	F64Store   Op = 0x39
	I32Store8  Op = 0x3a
	I32Store16 Op = 0x3b
)

// Integers.
const (
	i32Const  Op = 0x41
	i64Const  Op = 0x42
	f32Const  Op = 0x43
	f64Const  Op = 0x44
	I32Eqz    Op = 0x45
	I32Eq     Op = 0x46
	I32Ne     Op = 0x47
	I32LtS    Op = 0x48
	I32LtU    Op = 0x49
	I32GtS    Op = 0x4a
	I32GtU    Op = 0x4b
	I32LeS    Op = 0x4c
	I32LeU    Op = 0x4d
	I32GeS    Op = 0x4e
	I32GeU    Op = 0x4f
	I64Eqz    Op = 0x50
	I64Eq     Op = 0x51
	I64Ne     Op = 0x52
	I64LtS    Op = 0x53
	I64LtU    Op = 0x54
	I64GtS    Op = 0x55
	I64GtU    Op = 0x56
	I64LeS    Op = 0x57
	I64GeS    Op = 0x59
	I64GeU    Op = 0x5a
	F32Eq     Op = 0x5b
	F32Ne     Op = 0x5c
	F32Lt     Op = 0x5d
	F32Gt     Op = 0x5e
	F32Le     Op = 0x5f
	F32Ge     Op = 0x60
	F64Lt     Op = 0x63
	F64Gt     Op = 0x64
	I32Clz    Op = 0x67
	I32Popcnt Op = 0x69
	I32Add    Op = 0x6a
	I32Sub    Op = 0x6b
	I32Mul    Op = 0x6c
	I32DivS   Op = 0x6d
	I32DivU   Op = 0x6e
	I32RemU   Op = 0x70
	I32And    Op = 0x71
	I32Or     Op = 0x72
	I32Xor    Op = 0x73
	I32Shl    Op = 0x74
	I32ShrS   Op = 0x75
	I32ShrU   Op = 0x76
	I32Rotl   Op = 0x77
	I64Clz    Op = 0x79
	I64Add    Op = 0x7c
	I64Sub    Op = 0x7d
	I64Mul    Op = 0x7e
	I64DivU   Op = 0x80
	I64RemU   Op = 0x82
	I64And    Op = 0x83
	I64Or     Op = 0x84
	I64Xor    Op = 0x85
	I64Shl    Op = 0x86
	I64ShrS   Op = 0x87
	I64ShrU   Op = 0x88
	F32Abs    Op = 0x8b
	F32Neg    Op = 0x8c
	F32Sqrt   Op = 0x91
	F32Add    Op = 0x92
	F32Sub    Op = 0x93
	F32Mul    Op = 0x94
	F32Div    Op = 0x95
	F32Min    Op = 0x96
	F32Max    Op = 0x97
	F32Near   Op = 0x90
	F64Near   Op = 0x9e
	F64Sqrt   Op = 0x9f
	F64Add    Op = 0xa0
	F64Sub    Op = 0xa1
	F64Mul    Op = 0xa2
	F64Div    Op = 0xa3
	F64Min    Op = 0xa4
	F64Max    Op = 0xa5
	I32Wrap   Op = 0xa7
	I64ExtS   Op = 0xac
	I64ExtU   Op = 0xad
	F32ConvS  Op = 0xb2
	F32Demote Op = 0xb6
	F64ConvS  Op = 0xb7
	F64ConvL  Op = 0xb9
	F64Promot Op = 0xbb
	I32RefF32 Op = 0xbc
	F32RefI32 Op = 0xbe
)

// Saturating conversions and bulk memory.
var (
	I32SatF32S = misc(0)
	I64SatF64S = misc(6)
	MemoryCopy = misc(10)
	MemoryFill = misc(11)
)

// Vectors (5.4.8).
var (
	V128Load     = vec(0)
	V128Load8x8U = vec(2)
	V128Splat32  = vec(9)  // v128.load32_splat
	V128Load32Z  = vec(92) // v128.load32_zero
	V128Load64Z  = vec(93)
	V128Store    = vec(11)
	V128LoadL32  = vec(86) // v128.load32_lane
	V128StoreL32 = vec(90)
	V128StoreL64 = vec(91)
	v128Const    = vec(12)
	i8x16Shuffle = vec(13)
	I32x4Splat   = vec(17)
	I64x2Splat   = vec(18)
	F32x4Splat   = vec(19)
	F64x2Splat   = vec(20)
	I32x4Lane    = vec(27) // extract_lane
	I32x4Replace = vec(28)
	I64x2Lane    = vec(29)
	F32x4Lane    = vec(31)
	F32x4Replace = vec(32)
	F64x2Lane    = vec(33)
	I32x4Eq      = vec(55)
	I32x4Ne      = vec(56)
	I32x4LtS     = vec(57)
	I32x4GtS     = vec(59)
	I32x4GeS     = vec(63)
	F32x4Eq      = vec(65)
	F32x4Ne      = vec(66)
	F32x4Lt      = vec(67)
	F32x4Gt      = vec(68)
	F32x4Le      = vec(69)
	F32x4Ge      = vec(70)
	V128Not      = vec(77)
	V128And      = vec(78)
	V128AndNot   = vec(79)
	V128Or       = vec(80)
	V128Xor      = vec(81)
	V128Bitsel   = vec(82)
	V128AnyTrue  = vec(83)
	F32x4DemoteZ = vec(94) // f32x4.demote_f64x2_zero
	F64x2Promote = vec(95) // f64x2.promote_low_f32x4
	I16x8ExtLU   = vec(137)
	I16x8ExtHU   = vec(138)
	I32x4Abs     = vec(160)
	I32x4AllTrue = vec(163)
	I32x4Bitmask = vec(164)
	I32x4ExtLS   = vec(167)
	I32x4ExtLU   = vec(169)
	I32x4ExtHU   = vec(170)
	I32x4Shl     = vec(171)
	I32x4ShrS    = vec(172)
	I32x4ShrU    = vec(173)
	I32x4Add     = vec(174)
	I32x4Sub     = vec(177)
	I32x4Mul     = vec(181)
	I32x4MinS    = vec(182)
	I32x4MaxS    = vec(184)
	I32x4MaxU    = vec(185)
	I64x2ExtLS   = vec(199)
	I64x2ExtHS   = vec(200)
	I64x2ExtLU   = vec(201)
	I64x2Shl     = vec(203)
	I64x2ShrU    = vec(205)
	I64x2Add     = vec(206)
	I64x2MulLU   = vec(222) // i64x2.extmul_low_i32x4_u
	I64x2MulHU   = vec(223)
	F32x4Abs     = vec(224)
	F32x4Neg     = vec(225)
	F32x4Sqrt    = vec(227)
	F32x4Add     = vec(228)
	F32x4Sub     = vec(229)
	F32x4Mul     = vec(230)
	F32x4Div     = vec(231)
	F32x4Min     = vec(232)
	F32x4Max     = vec(233)
	F32x4PMin    = vec(234)
	F32x4PMax    = vec(235)
	F64x2Add     = vec(240)
	F64x2Mul     = vec(242)
	I32x4SatF32S = vec(248) // i32x4.trunc_sat_f32x4_s
	F32x4ConvS   = vec(250)
	F32x4ConvU   = vec(251)
	F64x2ConvLS  = vec(254)
	F32x4Near    = vec(106)
)
