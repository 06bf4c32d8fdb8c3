#include "textflag.h"

// func get() uint64
TEXT ·get(SB), NOSPLIT, $8-8
	STMXCSR 0(SP)
	MOVL    0(SP), AX
	MOVQ    AX, ret+0(FP)
	RET

// func set(v uint64)
TEXT ·set(SB), NOSPLIT, $0-8
	LDMXCSR v+0(FP)
	RET
