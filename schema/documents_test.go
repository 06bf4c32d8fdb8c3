package schema_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/schema"
)

// What is written and read is equal, and writes the same bytes again.
func TestRoundTrips(t *testing.T) {
	check := func(name string, want any, read func([]byte) (any, error)) {
		t.Run(name, func(t *testing.T) {
			text := canonical(t, want)
			got, err := read(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareDigests); diff != "" {
				t.Errorf("read otherwise than written (-want +got):\n%s", diff)
			}
			if again := canonical(t, got); !bytes.Equal(text, again) {
				t.Errorf("written again as\n%s\nnot\n%s", again, text)
			}
		})
	}
	check("closure", exampleClosure(t), func(b []byte) (any, error) { return schema.ReadClosure("closure.json", b) })
	check("dataset", exampleDataset(), func(b []byte) (any, error) { return schema.ReadDataset("dataset.json", b) })
	check("engine section", exampleEngine(), func(b []byte) (any, error) { return schema.ReadEngineSection("engine.wasm", b) })
	check("withdrawal", &schema.Withdrawal{SchemaVersion: 1, Name: "mnist", Version: "1.0.0", Digest: digest("it"), Reason: "wrong labels", Created: "2026-01-31T12:00:00Z"},
		func(b []byte) (any, error) { return schema.ReadWithdrawal("withdrawal.json", b) })
	for _, line := range exampleJournal() {
		check("journal "+line.Type+line.Event, &line, func(b []byte) (any, error) { return schema.ReadJournalLine("line", b) })
	}
}

func TestClosureResolved(t *testing.T) {
	c := exampleClosure(t)
	got, err := schema.DigestOfDocument(c.Resolved())
	if err != nil {
		t.Fatal(err)
	}
	if got != c.Specification {
		t.Errorf("the closure's resolved specification is %s, it names %s", got, c.Specification)
	}
}

// A closure may use operations that only another release knows.
func TestClosureOfAnotherRelease(t *testing.T) {
	c := exampleClosure(t)
	c.Model.Layers[0].Kind = "teleport3d"
	c.Algorithm.Optimizer.Kind = "lion"
	if _, err := schema.ReadClosure("closure.json", canonical(t, c)); err != nil {
		t.Error(err)
	}
}

func TestBadClosures(t *testing.T) {
	tests := map[string]struct {
		change func(*schema.Closure)
		want   string
	}{
		"claim without its number": {
			func(c *schema.Closure) { c.Results[0].Correct = nil },
			"results[0].correct: is missing: an accuracy is correct of total",
		},
		"claim beyond its total": {
			func(c *schema.Closure) { c.Results[0].Total = 9 },
			"results[0].correct: 9210 is more than the total, 9",
		},
		"accuracy with a sum": {
			func(c *schema.Closure) { c.Results[0].Sum = new(int64(1)) },
			"results[0].sum: does not belong to an accuracy",
		},
		"loss without its number": {
			func(c *schema.Closure) { c.Results[1].Sum = nil },
			"results[1].sum: is missing: a loss is sum over total",
		},
		"loss with a count": {
			func(c *schema.Closure) { c.Results[1].Correct = new(int64(1)) },
			"results[1].correct: does not belong to a loss",
		},
		"files out of order": {
			func(c *schema.Closure) { c.Files[0], c.Files[1] = c.Files[1], c.Files[0] },
			`files[1].path: "README.md" comes after "code/engine.wasm" (sort the list by path)`,
		},
		"file twice": {
			func(c *schema.Closure) { c.Files[1].Path = "README.md" },
			`files[1].path: "README.md" is listed twice`,
		},
		"path out of the object": {
			func(c *schema.Closure) { c.Files[0].Path = "../README.md" },
			`files[0].path: "../README.md" is not a path inside the object, with / between its parts`,
		},
		"absolute path": {
			func(c *schema.Closure) { c.Files[0].Path = "/etc/passwd" },
			`files[0].path: "/etc/passwd" is not a path inside the object, with / between its parts`,
		},
		"role twice": {
			func(c *schema.Closure) { c.Datasets[0].Role = "train" },
			`datasets[1].role: "train" is listed twice`,
		},
		"parameters beyond the run": {
			func(c *schema.Closure) { c.Parameters.Step = 1408 },
			"parameters.step: 1408 is beyond the run's 1407 steps",
		},
		"no digest": {
			func(c *schema.Closure) { c.Run.Digest = schema.Digest{} },
			`run.digest: "" is not a digest (sha256: and 64 lower-case hexadecimal digits)`,
		},
		"wrong time": {
			func(c *schema.Closure) { c.Created = "yesterday" },
			`created: "yesterday" is not a time such as 2026-01-31T12:00:00Z`,
		},
		"no list": {
			func(c *schema.Closure) { c.Results = nil },
			"results: is empty; it should be a list (give a value or leave the field out)",
		},
		"other schema version": {
			func(c *schema.Closure) { c.SchemaVersion = 2 },
			"schemaVersion: 2 is not 1",
		},
		"earlier engine without its file": {
			func(c *schema.Closure) { addEarlier(c); c.Files = append(c.Files[:1], c.Files[2]) },
			"files: " + earlierPath() + " is missing: its engine is listed in earlier",
		},
		"file of an earlier engine that is not listed": {
			func(c *schema.Closure) { addEarlier(c); c.Earlier = nil },
			"files[1]: " + earlierPath() + " is no engine that is listed in earlier",
		},
		"earlier engine that is another file": {
			func(c *schema.Closure) { addEarlier(c); c.Files[1].Digest = digest("other") },
			"files[1]: " + earlierPath() + " is no engine that is listed in earlier",
		},
		"earlier engine twice": {
			func(c *schema.Closure) { addEarlier(c); c.Earlier = append(c.Earlier, c.Earlier[0]) },
			`earlier[1].engine: "` + digest("earlier").Hex() + `" is listed twice`,
		},
		"earlier engine that is the closure's": {
			func(c *schema.Closure) { addEarlier(c); c.Engine.Digest = digest("earlier") },
			"earlier[0].engine: is the closure's own engine",
		},
		"earlier engine with another seed": {
			func(c *schema.Closure) { addEarlier(c); c.Earlier[0].Algorithm.Seed = 7 },
			"earlier[0].algorithm.seed: 7 is not the run's seed, 42",
		},
		"earlier engine with a role twice": {
			func(c *schema.Closure) {
				addEarlier(c)
				c.Earlier[0].Datasets = []schema.ClosureDataset{c.Datasets[0], c.Datasets[0]}
			},
			`earlier[0].datasets[1].role: "test" is listed twice`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := exampleClosure(t)
			test.change(c)
			got := problemsOf(t, func() error { _, err := schema.ReadClosure("closure.json", canonical(t, c)); return err })
			if got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestBadDatasets(t *testing.T) {
	tests := map[string]struct {
		change func(*schema.Dataset)
		want   string
	}{
		"shard of other size": {
			func(d *schema.Dataset) { d.Splits[0].Shards[0].Size = 1571 },
			"splits[0].shards[0].size: 1571 bytes are not 2 records of 785 bytes",
		},
		"shards that do not add up": {
			func(d *schema.Dataset) { d.Splits[1].Records = 4 },
			"splits[1].records: 4 is not the sum over its shards, 3",
		},
		"field beyond the record": {
			func(d *schema.Dataset) { d.Record.Target.Offset = 785 },
			"record.target: ends at byte 786 of a record of 785 bytes",
		},
		"fields that overlap": {
			func(d *schema.Dataset) { d.Record.Target.Offset = 783 },
			"record: input and target overlap",
		},
		"huge field": {
			func(d *schema.Dataset) { d.Record.Input.Shape = []int{1 << 30, 1 << 30, 1 << 30} },
			"record.input.shape: is a tensor of 2 GiB or more",
		},
		"constants of other size": {
			func(d *schema.Dataset) { d.Statistics.Mean = []float64{1, 2} },
			"statistics.mean: has 2 entries for 1 features",
		},
		"deviation of zero": {
			func(d *schema.Dataset) { d.Statistics.Deviation[0] = 0 },
			"statistics.deviation[0]: 0 is not a positive number (write 1 where a feature is constant)",
		},
		"class twice": {
			func(d *schema.Dataset) { d.Classes[1] = "0" },
			"classes: has the same entry twice",
		},
		"source with a folder": {
			func(d *schema.Dataset) { d.Sources[0].Name = "home/mnist.gz" },
			`sources[0].name: "home/mnist.gz" is not the base name of a file`,
		},
		"splits out of order": {
			func(d *schema.Dataset) { d.Splits[0].Name = "validation" },
			`splits[1].name: "train" comes after "validation" (sort the list by name)`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := exampleDataset()
			test.change(d)
			got := problemsOf(t, func() error { _, err := schema.ReadDataset("dataset.json", canonical(t, d)); return err })
			if got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestBadEngineSections(t *testing.T) {
	tests := map[string]struct {
		change func(*schema.EngineSection)
		want   string
	}{
		"other ABI":              {func(e *schema.EngineSection) { e.ABI = 2 }, "abi: 2 is not 1"},
		"status 0 with a text":   {func(e *schema.EngineSection) { e.Errors[0] = "oops" }, `errors[0]: "oops" is not the empty text (status 0 is success)`},
		"no errors":              {func(e *schema.EngineSection) { e.Errors = []string{} }, "errors: has no entries; at least 1 must be given"},
		"name twice":             {func(e *schema.EngineSection) { e.State[0].Name = "dense1.weight" }, `state[0].name: parameters[0] already has the name "dense1.weight"`},
		"default out of bounds":  {func(e *schema.EngineSection) { e.Hyperparameters[0].Default = -1 }, "hyperparameters[0].default: -1 is outside of [0, 3.4028234663852886e+38]"},
		"wrong way of combining": {func(e *schema.EngineSection) { e.Segments[0].Combine = "mean" }, `segments[0].combine: "mean" is not one of add, max`},
		"no capacity":            {func(e *schema.EngineSection) { e.Capacity = 0 }, "capacity: 0 is not a positive integer"},
		"huge tensor":            {func(e *schema.EngineSection) { e.State[0].Shape = []int{1 << 30, 1 << 30} }, "state[0].shape: is a tensor of 2 GiB or more"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := exampleEngine()
			test.change(e)
			got := problemsOf(t, func() error { _, err := schema.ReadEngineSection("engine.wasm", canonical(t, e)); return err })
			if got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// What no JSON document may be.
func TestStrictJSON(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":             {"  ", "is empty"},
		"cut short":         {`{"run":`, "is not JSON: line 1, column 7: unexpected end of JSON input"},
		"something after":   {"{}\n{}", "is not JSON: line 2, column 1: invalid character '{' after top-level value"},
		"comma at the end":  {`{"a":1,}`, "is not JSON: line 1, column 8: invalid character '}' looking for beginning of object key string"},
		"key twice":         {`{"a":{"b":1,"b":1}}`, "a.b: is given twice (keep one of them)"},
		"escaped key twice": {`{"a":1,"\u0061":1}`, "a: is given twice (keep one of them)"},
		"not UTF-8":         {"{\n\"a\": \"\xff\"}", "is not UTF-8: line 2, column 7"},
		"half a pair":       {`["\ud83d"]`, "[0]: holds half of a surrogate pair, which is no character"},
		"other half":        {`["\\\ude00"]`, "[0]: holds half of a surrogate pair, which is no character"},
		"huge integer":      {`[-9007199254740992]`, "[0]: -9007199254740992 is too large for an integer (integers lie between -(2^53-1) and 2^53-1)"},
		"huge number":       {`[1e400]`, "[0]: 1e400 is too large for a number"},
		"deep":              {strings.Repeat("[", 70) + strings.Repeat("]", 70), "is nested more than 64 deep"},
		"wrong kind":        {"[]", "a list is not a closure"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, func() error { _, err := schema.ReadClosure("closure.json", []byte(test.text)); return err })
			if got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestYAMLLimits(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	tests := map[string]struct{ text, want string }{
		"empty":        {"# nothing\n", "is empty"},
		"aliases":      {bomb, "has more than 100000 values"},
		"alias inside": {"a: &a [*a]", "is nested more than 64 deep"},
		"deep":         {"a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "is nested more than 64 deep"},
		"large":        {"a: " + strings.Repeat("x", 1<<20), "has 1048579 bytes, more than the 1048576 that are read"},
		"list as key":  {"[1]: 2", "line 1: a key must be a text"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, func() error { _, err := schema.ReadSpecification("closure.yaml", []byte(test.text)); return err })
			if got != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestCanonical(t *testing.T) {
	tests := map[string]struct {
		value any
		want  string
	}{
		"keys are sorted":       {map[string]any{"b": 1, "a": []any{true, nil}, "€": 2, "\U0001f600": 3}, `{"a":[true,null],"b":1,"€":2,"😀":3}`},
		"nothing is escaped":    {"<a&b>\u2028", "\"<a&b>\u2028\""},
		"numbers":               {[]float64{1, 0.1, 1e-7, 1e21, math.Copysign(0, -1)}, `[1,0.1,1e-7,1e+21,0]`},
		"largest integer":       {1<<53 - 1, "9007199254740991"},
		"a scalar's shape":      {schema.Field{DType: "u8"}, `{"dtype":"u8","offset":0,"shape":[]}`},
		"component":             {schema.Component{Kind: "adam"}, `{"adam":{}}`},
		"normalization":         {schema.Normalize{Scale: []float64{2}, Offset: []float64{1, 2}}, `{"offset":[1,2],"scale":2}`},
		"standardize":           {schema.Normalize{Standardize: true}, `"standardize"`},
		"layer without extras":  {schema.Layer{Component: schema.Component{Kind: "flatten"}}, `{"flatten":{}}`},
		"layer that is frozen":  {schema.Layer{Rate: new(0.0), Component: schema.Component{Kind: "dense"}}, `{"dense":{},"rate":0}`},
		"algorithm of no steps": {schema.Algorithm{MicrobatchSize: 1, BatchSize: 1}, `{"batchSize":1,"microbatchSize":1,"seed":0}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(canonical(t, test.value)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for name, value := range map[string]any{
		"integer too large": 1 << 53, "infinity": []float64{1, math.Inf(1)}, "layer without an operation": schema.Layer{},
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := schema.Canonical(value); err == nil {
				t.Errorf("written as %s", b)
			}
			if _, err := schema.DigestOfDocument(value); err == nil {
				t.Error("has a digest")
			}
		})
	}
}

// The standard's own example of numbers, strings and order.
func TestCanonicalOfRFC8785(t *testing.T) {
	value := map[string]any{
		"numbers":  []any{333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001},
		"string":   "€$\u000f\nA'B\"\\\\\"/",
		"literals": []any{nil, true, false},
	}
	want := `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
	if got := string(canonical(t, value)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJournal(t *testing.T) {
	write := func(lines []schema.JournalLine) string {
		var b strings.Builder
		for _, l := range lines {
			b.Write(canonical(t, l))
			b.WriteByte('\n')
		}
		return b.String()
	}
	t.Run("whole", func(t *testing.T) {
		got, err := schema.ReadJournal("train.jsonl", strings.NewReader(write(exampleJournal())))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(exampleJournal(), got, compareDigests); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("offset", func(t *testing.T) {
		text := write(exampleJournal())
		r := schema.NewJournalReader("train.jsonl", strings.NewReader(text))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if want := int64(strings.IndexByte(text, '\n') + 1); r.Offset() != want {
			t.Errorf("offset %d after one line, want %d", r.Offset(), want)
		}
	})
	pick := func(indices ...int) string {
		var lines []schema.JournalLine
		for _, i := range indices {
			lines = append(lines, exampleJournal()[i])
		}
		return write(lines)
	}
	whole := pick(0, 1)
	tests := map[string]struct{ text, want string }{
		"empty":              {"", "train.jsonl: is empty: a journal begins with a header"},
		"no header":          {pick(1), `train.jsonl: line 1: type: is "step"; a journal begins with a header`},
		"two headers":        {pick(0, 0), "train.jsonl: line 2: type: is a second header"},
		"step twice":         {pick(0, 1, 1), "train.jsonl: line 3: step: is 1; step 2 comes next"},
		"event too early":    {pick(0, 1, 4, 2), "train.jsonl: line 4: step: is 2; an event here takes effect before step 3"},
		"early checkpoint":   {pick(0, 1, 6), "train.jsonl: line 3: step: is 2; what follows step 1 looks at that step"},
		"cut short":          {whole[:len(whole)-1], "train.jsonl: line 2 is cut short: it does not end in a line feed"},
		"unknown line":       {pick(0) + `{"type":"stop","step":1}` + "\n", `train.jsonl: line 2: type: "stop" is not one of header, event, step, evaluation, checkpoint (did you mean step?)`},
		"field of another":   {pick(0) + `{"type":"checkpoint","step":1,"split":"a"}` + "\n", "train.jsonl: line 2:\n  parameters: is missing; it should be a digest (sha256: and 64 lower-case hexadecimal digits)\n  run: is missing; it should be a digest (sha256: and 64 lower-case hexadecimal digits)\n  split: unknown field (known are parameters, run, step, type)"},
		"empty range":        {pick(0) + `{"type":"step","step":1,"microbatches":[[4,4]],"examples":1}` + "\n", "train.jsonl: line 2: microbatches[0]: [4, 4) is an empty range"},
		"ranges that touch":  {pick(0) + `{"type":"step","step":1,"microbatches":[[0,4],[4,8]],"examples":1}` + "\n", "train.jsonl: line 2: microbatches[1]: [4, 8) does not come after the range before it (merge ranges that touch)"},
		"more than all":      {pick(0) + `{"type":"evaluation","step":1,"split":"test","examples":1,"correct":2}` + "\n", "train.jsonl: line 2: correct: 2 is more than the examples, 1"},
		"header of a step":   {strings.Replace(pick(0), `"step":0`, `"step":3`, 1), "train.jsonl: line 1: step: 3 is not 0, the step of a header"},
		"line without end":   {strings.Repeat(" ", 5<<20), "train.jsonl: line 1 has more than 4194304 bytes"},
		"line without lines": {"\n", "train.jsonl: line 1: is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := schema.ReadJournal("train.jsonl", strings.NewReader(test.text))
			if _, ok := errors.AsType[*schema.Invalid](err); !ok {
				t.Fatalf("refused with %T (%v), want *Invalid", err, err)
			}
			if err.Error() != test.want {
				t.Errorf("told:\n%s\nwant:\n%s", err, test.want)
			}
		})
	}
	t.Run("reader that fails", func(t *testing.T) {
		broken := errors.New("broken")
		if _, err := schema.ReadJournal("train.jsonl", failing{broken}); !errors.Is(err, broken) {
			t.Errorf("failed with %v, want the reader's error", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// addEarlier gives a closure an engine that ran before its own.
func addEarlier(c *schema.Closure) {
	c.Earlier = []schema.EarlierEngine{{
		Engine: schema.EngineReference{Digest: digest("earlier"), ABI: 1}, Specification: digest("specification"),
		Model: c.Model, Algorithm: c.Algorithm, Datasets: c.Datasets,
	}}
	f := schema.File{Path: earlierPath(), Role: "engine", MediaType: schema.MediaTypeEngine, Digest: digest("earlier"), Size: 4096}
	c.Files = slices.Insert(c.Files, 1, f)
}

func earlierPath() string { return schema.PathEarlierEngine(digest("earlier")) }

// A closure may name the engines that ran before its own, whose datasets it refers to as well.
func TestEarlierEngines(t *testing.T) {
	c := exampleClosure(t)
	addEarlier(c)
	got, err := schema.ReadClosure("closure.json", canonical(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Earlier) != 1 || len(got.AllDatasets()) != 2*len(c.Datasets) || len(got.Datasets) != len(c.Datasets) {
		t.Errorf("%d engines and %d datasets", len(got.Earlier), len(got.AllDatasets()))
	}
	if d, err := schema.DigestOfDocument(got.Earlier[0].Resolved()); err != nil || d != c.Specification {
		t.Errorf("%s (%v), want %s", d, err, c.Specification)
	}
}
