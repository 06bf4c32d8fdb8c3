package wasm

import (
	"fmt"
	"slices"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/wasm/kernel"
)

// maxAugmentations is also what the schema of a specification allows.
const maxAugmentations = 16

// spelling drops what a component may leave out.
type spelling func(d schema.Declaration, resolved map[string]any) map[string]any

// component checks a component against its declaration and gives it the spelling.
func (p *problems) component(path string, c *schema.Component, list []schema.Declaration, s spelling) {
	d, ok := schema.Find(list, c.Kind)
	if !ok {
		var names []string
		for _, d := range list {
			names = append(names, d.Name)
		}
		p.add(path, "%q is not known; there are %v", c.Kind, names)
		return
	}
	attributes, problems := d.Resolve(path+"."+c.Kind, c.Attributes)
	*p = append(*p, problems...)
	if problems == nil {
		c.Attributes = s(d, attributes)
	}
}

// vocabulary checks what a model and an algorithm name beside layers, optimizer and schedule, and spells it canonically.
func (p *problems) vocabulary(m *schema.Model, a *schema.Algorithm) {
	v := kernel.Vocabulary()
	p.component("model.loss", &m.Loss.Component, v.Losses, schema.Declaration.Shortest)
	m.Layers = slices.Clone(m.Layers)
	for i := range m.Layers {
		if c := &m.Layers[i].Constraint; c.Kind != "" {
			p.component(fmt.Sprintf("model.layers[%d].constraint", i), &c.Component, v.Constraints, schema.Declaration.Shortest)
		}
	}
	p.component("algorithm.initializer", &a.Initializer.Component, v.Initializers, schema.Declaration.Shortest)
	if a.Clipping.Kind != "" {
		p.component("algorithm.clipping", &a.Clipping, v.Clippings, schema.Declaration.Canonical)
	}
	if a.Averaging.Kind != "" {
		p.component("algorithm.averaging", &a.Averaging, v.Averagings, schema.Declaration.Canonical)
	}
	if n := len(a.Augmentation); n > maxAugmentations {
		p.add("algorithm.augmentation", "%d changes; at most %d are possible", n, maxAugmentations)
		return
	}
	a.Augmentation = slices.Clone(a.Augmentation)
	for i := range a.Augmentation {
		path := fmt.Sprintf("algorithm.augmentation[%d]", i)
		before := len(*p)
		p.component(path, &a.Augmentation[i], v.Augmentations, schema.Declaration.Canonical)
		if len(*p) == before {
			*p = append(*p, kernel.CheckAugmentation(path, a.Augmentation[i], m.Input.Shape)...)
		}
	}
}
