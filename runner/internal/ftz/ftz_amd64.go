package ftz

// flush is MXCSR.FTZ and MXCSR.DAZ (Intel SDM volume 1, 10.2.3).
const flush = 1<<15 | 1<<6
