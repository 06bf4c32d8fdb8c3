package ftz

// flush is FPCR.FZ (Arm ARM, C5.2.8).
const flush = 1 << 24
