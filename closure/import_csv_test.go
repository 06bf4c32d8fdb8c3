package closure_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// importCSV writes tables, which are the splits train and test, and imports them.
func importCSV(t *testing.T, change func(*closure.Import), tables ...string) (*closuretest.Memory, *schema.Dataset, error) {
	t.Helper()
	dir := t.TempDir()
	o := closure.Import{Name: "table", Version: "1.0.0"}
	for i, text := range tables {
		name := []string{"train", "test"}[i]
		o.Splits = append(o.Splits, closure.SplitFiles{Name: name, Files: []string{writeFile(t, dir, name+".csv", []byte(text))}})
	}
	if change != nil {
		change(&o)
	}
	store := new(closuretest.Memory)
	d, _, err := closure.ImportCSV(t.Context(), o, store)
	return store, d, err
}

func header(o *closure.Import) { o.Header = true }

// rows decodes a split as "features → target" lines, sorted.
func rows(store *closuretest.Memory, d *schema.Dataset, split string) []string {
	s, _ := d.Split(split)
	all := stored(store, s)
	var lines []string
	for i := range int(s.Records) {
		r := all[i*d.Record.Size:][:d.Record.Size]
		var fields []string
		for e := range d.Record.Input.Shape[0] {
			fields = append(fields, fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(r[4*e:]))))
		}
		target := r[d.Record.Target.Offset:]
		value := ""
		switch d.Record.Target.DType {
		case "u8":
			value = d.Classes[target[0]]
		case "u16":
			value = d.Classes[binary.LittleEndian.Uint16(target)]
		default:
			value = fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(target)))
		}
		lines = append(lines, strings.Join(fields, " ")+" → "+value)
	}
	slices.Sort(lines)
	return lines
}

func TestImportCSV(t *testing.T) {
	type result struct {
		Classes, Features []string
		DType             string
		Train             []string
	}
	for _, tc := range []struct {
		name   string
		text   string
		change func(*closure.Import)
		want   result
	}{
		{
			"numbers as labels", "1,2.5,0.0\n3,4,1\n5,6,0\n", nil,
			result{[]string{"0", "1"}, nil, "u8", []string{"1 2.5 → 0", "3 4 → 1", "5 6 → 0"}},
		},
		{
			"numeric order", "1,10\n2,9\n3,-1\n4,9.50\n", nil,
			result{[]string{"-1", "9", "9.5", "10"}, nil, "u8", []string{"1 → 10", "2 → 9", "3 → -1", "4 → 9.5"}},
		},
		{
			"text order", "1,b\n2,a\n3,10\n4,9\n", nil,
			result{[]string{"10", "9", "a", "b"}, nil, "u8", []string{"1 → b", "2 → a", "3 → 10", "4 → 9"}},
		},
		{
			"large numbers as labels", "1,1e30\n2,1000000\n", nil,
			result{[]string{"1000000", "1e+30"}, nil, "u8", []string{"1 → 1e+30", "2 → 1000000"}},
		},
		{
			"header", "x,y,kind\n1,2,b\n3,4,a\n", header,
			result{[]string{"a", "b"}, []string{"x", "y"}, "u8", []string{"1 2 → b", "3 4 → a"}},
		},
		{
			"label by name", "kind,x,y\nb,1,2\na,3,4\n", func(o *closure.Import) { o.Header, o.Label = true, "kind" },
			result{[]string{"a", "b"}, []string{"x", "y"}, "u8", []string{"1 2 → b", "3 4 → a"}},
		},
		{
			"label by index", "1,b,2\n3,a,4\n", func(o *closure.Import) { o.Label = "1" },
			result{[]string{"a", "b"}, nil, "u8", []string{"1 2 → b", "3 4 → a"}},
		},
		{
			"a column called 0", "x,0\n5,6\n7,8\n", func(o *closure.Import) { o.Header, o.Label = true, "0" },
			result{[]string{"6", "8"}, []string{"x"}, "u8", []string{"5 → 6", "7 → 8"}},
		},
		{
			"spaces, CRLF, quotes, no last line end", "x , \"a,b\", kind\r\n 1 ,\"2\", b \r\n3,4,\"a\"", header,
			result{nil, nil, "", nil},
		},
		{
			"byte order mark", "\ufeffx,kind\n1,a\n", header,
			result{[]string{"a"}, []string{"x"}, "u8", []string{"1 → a"}},
		},
		{
			"blank lines", "1,a\n\n2,b\n\n", nil,
			result{[]string{"a", "b"}, nil, "u8", []string{"1 → a", "2 → b"}},
		},
		{
			"regression", "1,0.5\n2,-3e2\n", func(o *closure.Import) { o.Regression = true },
			result{nil, nil, "f32", []string{"1 → 0.5", "2 → -300"}},
		},
		{
			"named classes", "1,a\n2,b\n", func(o *closure.Import) { o.Classes = []string{"b", "c", "a"} },
			result{[]string{"b", "c", "a"}, nil, "u8", []string{"1 → a", "2 → b"}},
		},
		{
			"nearest float", "0.1,a\n16777217,a\n1e-46,a\n", nil,
			result{[]string{"a"}, nil, "u8", []string{"0 → a", "0.1 → a", "1.6777216e+07 → a"}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, d, err := importCSV(t, tc.change, tc.text)
			if tc.want.DType == "" { // encoding/csv takes a space before a quotation mark as text
				wantInvalid(t, err, "train.csv: line 1: a quotation mark inside a field that is not quoted")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := result{d.Classes, d.Features, d.Record.Target.DType, rows(store, d, "train")}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestImportCSVSplits(t *testing.T) {
	store, d, err := importCSV(t, header, "x,kind\n1,b\n", "x,kind\n2,a\n3,c\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, d.Classes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2 → a", "3 → c"}, rows(store, d, "test")); diff != "" {
		t.Error(diff)
	}
	if len(d.Sources) != 2 || d.Sources[0].Name != "test.csv" {
		t.Errorf("got %+v", d.Sources)
	}
}

func TestImportCSVGzip(t *testing.T) {
	text := "1,a\n2,b\n"
	_, plain, err := importCSV(t, nil, text)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := importCSV(t, nil, string(gzipped([]byte(text))))
	if err != nil || d.Content != plain.Content {
		t.Errorf("got %v, %v", d, err)
	}
}

func TestImportCSVManyClasses(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "%d,%d\n", i, i)
	}
	store, d, err := importCSV(t, nil, b.String())
	if err != nil {
		t.Fatal(err)
	}
	if d.Record.Target.DType != "u16" || len(d.Classes) != 300 || d.Classes[299] != "299" || d.Record.Size != 6 {
		t.Errorf("got %+v", d.Record)
	}
	for _, line := range rows(store, d, "train") {
		if x, class, _ := strings.Cut(line, " → "); x != class {
			t.Errorf("got %s", line)
		}
	}
}

// 150 rows of three classes, as the iris table has.
func TestImportCSVTestFraction(t *testing.T) {
	var b strings.Builder
	for i := range 150 {
		fmt.Fprintf(&b, "%d,%d.0\n", i, i/50)
	}
	store, d, err := importCSV(t, func(o *closure.Import) { o.TestFraction = 0.2 }, b.String())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, split := range []string{"train", "test"} {
		for _, line := range rows(store, d, split) {
			_, class, _ := strings.Cut(line, " → ")
			counts[split+class]++
		}
	}
	want := map[string]int{"train0": 40, "train1": 40, "train2": 40, "test0": 10, "test1": 10, "test2": 10}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func TestImportCSVRefuses(t *testing.T) {
	wide := func(o *closure.Import) { o.Header = true }
	for _, tc := range []struct {
		name   string
		text   string
		change func(*closure.Import)
		want   string
	}{
		{"empty", "", nil, "train.csv: the file is empty"},
		{"only a byte order mark", "\ufeff", nil, "there is no line in it"},
		{"blank", "\n\n", nil, "there is no line in it"},
		{"only a header", "x,y\n", wide, "there is no line after the header"},
		{"one column", "1\n2\n", nil, "line 1: one column"},
		{"semicolons", "1;2;3\n", nil, "one column; a label and at least one feature are needed: columns are separated by commas"},
		{"short line", "1,2,a\n3,4\n", nil, "train.csv: line 2: 2 columns where the first line has 3"},
		{"long line", "1,2,a\n3,4,5,b\n", nil, "line 2: 4 columns where the first line has 3"},
		{"ragged after a quoted line end", "1,\"a\nb\"\n2\n", nil, "line 3: 1 columns where the first line has 2"},
		{"not a number", "x,petal width,kind\n1,2,a\n3,wide,b\n", wide, `line 3, column petal width: "wide" is not a number`},
		{"not a number, no header", "1,2,a\n3,wide,b\n", nil, `line 2, column 1: "wide" is not a number (columns count from 0)`},
		{"header not declared", "x,y,kind\n1,2,a\n", nil, `line 1, column 0: "x" is not a number (if the first line names the columns, say that there is a header)`},
		{"data as header", "1,2,3\n4,5,6\n", wide, "the header looks like data"},
		{"no number", "1,,a\n", nil, "line 1, column 1: there is no number"},
		{"NaN", "1,a\nNaN,b\n", nil, `line 2, column 0: "NaN" is not a finite number`},
		{"infinity", "1,a\n-inf,b\n", nil, `line 2, column 0: "-inf" is not a finite number`},
		{"beyond f32", "1,a\n1e39,b\n", nil, `line 2, column 0: "1e39" is beyond 32-bit floats`},
		{"hexadecimal", "1,a\n0x1p-2,b\n", nil, `"0x1p-2" is not a number`},
		{"underscores", "1,a\n1_000,b\n", nil, `"1_000" is not a number`},
		{"decimal comma", "1,a\n\"1,5\",b\n", nil, `"1,5" is not a number`},
		{"empty label", "1,a\n2,\n", nil, "line 2, column 1: the label is empty"},
		{"regression of text", "1,a\n", func(o *closure.Import) { o.Regression = true }, `"a" is not a number`},
		{"regression with classes", "1,2\n", func(o *closure.Import) { o.Regression, o.Classes = true, []string{"a"} }, "a regression has none"},
		{"unknown class", "1,a\n2,b\n", func(o *closure.Import) { o.Classes = []string{"a"} }, `the label "b" has no class among ["a"]`},
		{"label index", "1,a\n", func(o *closure.Import) { o.Label = "2" }, "there is no column 2; they go from 0 to 1"},
		{"negative label index", "1,a\n", func(o *closure.Import) { o.Label = "-1" }, "there is no column -1"},
		{"label name", "x,kind\n1,a\n", func(o *closure.Import) { o.Header, o.Label = true, "sort" }, `there is no column "sort"; there are ["x" "kind"]`},
		{"label name without header", "1,a\n", func(o *closure.Import) { o.Label = "kind" }, "without a header columns have no names"},
		{"column twice", "x,x,kind\n1,2,a\n", wide, `line 1, column 1: "x" cannot name a column`},
		{"column without name", "x,,kind\n1,2,a\n", wide, `line 1, column 1: "" cannot name a column`},
		{"open quote", "1,\"a\n2,b\n", nil, "a quotation mark that does not stand alone"},
		{"bare quote", "1,a\"b\n", nil, "line 1: a quotation mark inside a field that is not quoted"},
		{"UTF-16", "\xff\xfe1\x00,\x00", nil, "not a CSV file, but UTF-16 text: save it as UTF-8"},
		{"a PNG", "\x89PNG\r\n", nil, "not a CSV file, but a PNG image"},
		{"an IDX file", "\x00\x00\x08\x03....", nil, "not a CSV file, but an IDX file of images"},
		{"endless line", strings.Repeat("1", 17<<20), nil, "line 1: longer than 16777216 bytes"},
		{"decompressed size", string(gzipped([]byte(strings.Repeat("1,a\n", 1000)))), func(o *closure.Import) { o.MaxBytes = 100 }, "it holds more than 100 bytes"},
		{"memory", strings.Repeat("1,a\n", 1000), func(o *closure.Import) { o.Memory = 100 }, "more than 100 bytes, which is all that is held in memory"},
		{"two files", "1,a\n", func(o *closure.Import) { o.Splits[0].Files = append(o.Splits[0].Files, "x") }, "2 files where 1 are needed: a CSV split is one file"},
		{"fraction", "1,a\n2,b\n", func(o *closure.Import) { o.TestFraction = 0.1 }, "leaves a split of 2 records empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := importCSV(t, tc.change, tc.text)
			wantInvalid(t, err, tc.want)
		})
	}
	t.Run("columns of the second file", func(t *testing.T) {
		_, _, err := importCSV(t, header, "x,y,kind\n1,2,a\n", "x,z,kind\n1,2,a\n")
		wantInvalid(t, err, `test.csv: line 1, column 1: "z" where the file before has "y"`)
		_, _, err = importCSV(t, nil, "1,2,a\n", "1,a\n")
		wantInvalid(t, err, "test.csv: line 1: 2 columns where the file before has 3")
	})
	t.Run("too many classes", func(t *testing.T) {
		var b strings.Builder
		for i := range 70000 {
			fmt.Fprintf(&b, "1,%d\n", i)
		}
		_, _, err := importCSV(t, nil, b.String())
		wantInvalid(t, err, "more than 65536 different labels")
	})
}

func FuzzCSV(f *testing.F) {
	f.Add("1,2,a\n3,4,b\n", false, "")
	f.Add("x,y,kind\n1,2,0.0\n3,4,1\n", true, "kind")
	f.Add("\ufeffx,y\r\n\"1\",-0\r\n2,0\r\n", true, "0")
	f.Add("1,\"a\nb\"\n2,c", false, "1")
	f.Add(string(gzipped([]byte("1,a\n"))), false, "")
	f.Fuzz(func(t *testing.T, text string, header bool, label string) {
		store, d, err := importCSV(t, func(o *closure.Import) {
			o.Header, o.Label, o.MaxBytes, o.Memory = header, label, 1<<20, 1<<20
		}, text)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
		rows(store, d, "train") // panics on a label without a class
	})
}
