package wasm

// Version names the compiler in engines and closures. It changes whenever the bytes of any engine change: a closure is
// derived only if the same compiler still makes the same engine of its specification.
const Version = "reprise-wasm/1"
