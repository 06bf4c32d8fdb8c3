package kernel

import (
	"github.com/reprise-ml/reprise/schema"
	asm "github.com/reprise-ml/reprise/wasm/module"
)

// Clip bounds the gradient G that a step divides by its count, before regularisation and the optimizer see it, by a
// hyper-parameter:
//
//	value        G ← min(limit, max(−limit, G))
//	norm         G ← G·f32(min(1, limit / (‖G‖ + 1e-6)))   ‖G‖ of all tensors that are trained (PyTorch's clip_grad_norm_)
//	tensor-norm  the same for each tensor by itself
//
// Norms are roots of sums in f64 (squares.go), of the tensors in their order.
type Clip struct {
	Kind        string // "" is none
	Coefficient int    // address of an f32, scratch; of the norms
}

// Kinds of clipping.
const (
	ClipValue      = "value"
	ClipNorm       = "norm"
	ClipTensorNorm = "tensor-norm"
	// ClipLimit is the hyper-parameter.
	ClipLimit = "clip.limit"
)

// Clippings of the vocabulary.
func Clippings() []schema.Declaration {
	declare := func(name, doc, of string) schema.Declaration {
		return schema.Declaration{Name: name, Doc: doc, Attributes: []schema.Attribute{
			{Name: "limit", Kind: schema.Number, Min: schema.AtLeast(lowestLimit), Max: schema.AtMost(highestLimit), Doc: of},
		}}
	}
	return []schema.Declaration{
		declare(ClipValue, "Bounds each element of the gradient.", "Largest magnitude of an element."),
		declare(ClipNorm, "Shortens the gradient of all parameters together.", "Largest norm of the whole gradient."),
		declare(ClipTensorNorm, "Shortens the gradient of each tensor by itself.", "Largest norm of a tensor's gradient."),
	}
}

const (
	lowestLimit  = 1e-9
	highestLimit = 1e9
)

// ClipHyperparameter is the limit with its default.
func ClipHyperparameter(limit float64) schema.Hyperparameter {
	return quantity{name: ClipLimit, min: lowestLimit, max: highestLimit}.hyperparameter(limit)
}

func (k Clip) norm() bool { return k.Kind == ClipNorm || k.Kind == ClipTensorNorm }

// clip emits what clipping a tensor needs once, and returns what emits it for four values.
func (s Step) clip(u *Update) func(x Values) {
	switch {
	case s.Clip.Kind == ClipValue:
		high := u.SplatHyper(ClipLimit)
		low := u.Local(asm.V128)
		u.Get(high)
		u.Op(asm.F32x4Neg)
		u.Set(low)
		return func(x Values) {
			u.Get(x.G, low)
			u.Op(asm.F32x4PMax)
			u.Get(high)
			u.Op(asm.F32x4PMin)
			u.Set(x.G)
		}
	case s.Clip.norm():
		coefficient := u.Splat(func() {
			u.I32(s.Clip.Coefficient)
			u.Mem(asm.F32Load, 0)
		})
		return func(x Values) {
			u.Get(x.G, coefficient)
			u.Op(asm.F32x4Mul)
			u.Set(x.G)
		}
	}
	return func(Values) {}
}

// whole emits the coefficient of all tensors; norm pushes the sums of the squares of one tensor.
func (k Clip) whole(u *Update, params []Parameter, norm func(p Parameter)) {
	sum := u.Local(asm.F64)
	u.F64(0)
	u.Set(sum)
	for _, p := range params {
		u.I32(p.Rate)
		u.Mem(asm.F32Load, 0)
		u.F32(0)
		u.Op(asm.F32Ne)
		u.If(func() {
			norm(p)
			u.Get(sum)
			u.Op(asm.F64Add)
			u.Set(sum)
			u.Op(asm.Drop)
		})
	}
	k.coefficient(u, sum)
	u.Release(sum)
}

// tensor emits the coefficient of one tensor.
func (k Clip) tensor(u *Update, norm func()) {
	sum := u.Local(asm.F64)
	norm()
	u.Set(sum)
	u.Op(asm.Drop)
	k.coefficient(u, sum)
	u.Release(sum)
}

// coefficient emits min(1, limit / (√sum + 1e-6)).
func (k Clip) coefficient(u *Update, sum local) {
	x := u.Local(asm.F32)
	u.Hyper(ClipLimit)
	u.Op(asm.F64Promot)
	u.Get(sum)
	u.Op(asm.F64Sqrt)
	u.F64(1e-6)
	u.Op(asm.F64Add, asm.F64Div, asm.F32Demote)
	u.Set(x)
	u.I32(k.Coefficient)
	u.Get(x)
	u.F32(1)
	u.Get(x)
	u.F32(1)
	u.Op(asm.F32Lt, asm.Select)
	u.Mem(asm.F32Store, 0)
	u.Release(x)
}
