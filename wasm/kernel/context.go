package kernel

// Context holds the addresses of what functions know about the call they are part of.
type Context struct {
	Seed       int // i64, state
	Step       int // i64
	Microbatch int // i64
	First      int // i32: index, in the microbatch, of the tile's first example
}
