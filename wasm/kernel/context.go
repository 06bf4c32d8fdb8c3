package kernel

// Context holds the addresses of what functions know about the call they are part of.
type Context struct {
	Seed       int // i64, state
	Step       int // i64
	Microbatch int // i64
	Count      int // i32: the number of examples, or the index in the microbatch behind the last of a gradient's
	First      int // i32: index, among the examples of a gradient, of the tile's first
	Example    int // i32: its index in the microbatch; the same address where a microbatch makes one gradient
}
