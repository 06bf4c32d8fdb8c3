package closure_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
)

// side publishes a synthetic closure and opens it.
func side(t *testing.T, z *apitest.Zoo, name string, sample apitest.Sample) closure.Side {
	t.Helper()
	e, err := z.Publish(t.Context(), name, "1.0.0", sample)
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Manifest(t.Context(), z.Store, zoo.Resolved{Name: name, Entry: e})
	if err != nil {
		t.Fatal(err)
	}
	c, err := closure.LoadClosure(t.Context(), z.Store, m)
	if err != nil {
		t.Fatal(err)
	}
	return closure.Side{Compared: schema.Compared{Name: name, Version: "1.0.0", Digest: e.Digest, Kind: "closure"}, Closure: c, Blobs: z.Store}
}

func TestCompareClosures(t *testing.T) {
	s := memory.New()
	z, err := apitest.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	a := side(t, z, "small", apitest.Sample{Rate: 0.01})
	b := side(t, z, "small-too", apitest.Sample{Rate: 0.05, Journal: apitest.Journal(3, 60), Change: func(c *schema.Closure) {
		c.Results[0].Correct = new(int64(76))
		c.Model.Layers = append(c.Model.Layers[:1:1], c.Model.Layers[1:]...)
		c.Model.Layers[1].Attributes["units"] = 33.0
	}})
	r, err := closure.Compare(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]string{}
	for _, f := range r.Fields {
		got[f.Path] = [2]string{string(f.A), string(f.B)}
	}
	for path, want := range map[string][2]string{
		"name": {`"small"`, `"small-too"`},
		"algorithm.optimizer." + a.Closure.Algorithm.Optimizer.Kind + ".learningRate": {"0.01", "0.05"},
		"model.layers." + a.Closure.Model.Layers[1].Name + ".dense.units":             {units(t, a), "33"},
	} {
		if got[path] != want {
			t.Errorf("%s: %v, want %v in %v", path, got[path], want, got)
		}
	}
	if len(r.Results) != 1 || r.Results[0].Difference == nil || math.Abs(*r.Results[0].Difference-0.05) > 1e-9 {
		t.Errorf("results %+v", r.Results)
	}
	if r.Journal == nil || r.Journal.Line != 2 || r.Journal.A == "" || r.Journal.A == r.Journal.B {
		t.Errorf("journal %+v", r.Journal)
	}
	if r.Same {
		t.Error("they are the same")
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(schema.KindDiffReport, "diff", text); err != nil {
		t.Error(err)
	}

	same, err := closure.Compare(t.Context(), a, a)
	if err != nil || !same.Same || len(same.Fields)+len(same.Tensors)+len(same.Files) != 0 || same.Journal != nil || *same.Results[0].Difference != 0 {
		t.Errorf("%+v, %v", same, err)
	}

	data := closure.Side{Compared: schema.Compared{Name: "glyphs", Kind: "dataset"}, Dataset: z.Glyphs.Document, Blobs: s}
	_, err = closure.Compare(t.Context(), a, data)
	wantInvalid(t, err, "only objects of one kind are compared")
	other := data
	other.Dataset = z.Table.Document
	r, err = closure.Compare(t.Context(), data, other)
	if err != nil || len(r.Files) == 0 || len(r.Fields) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	// What is compared is verified.
	journal, _ := closure.FindFile(a.Closure, schema.PathJournal)
	if err := s.DeleteBlob(t.Context(), journal.Digest); err != nil {
		t.Fatal(err)
	}
	_, err = closure.Compare(t.Context(), a, b)
	wantDamaged(t, err, schema.PathJournal)
}

func units(t *testing.T, s closure.Side) string {
	t.Helper()
	text, err := json.Marshal(s.Closure.Model.Layers[1].Attributes["units"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
