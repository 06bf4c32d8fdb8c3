package closure_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/closure/closuretest"
	"github.com/reprise-ml/reprise/schema"
)

// importText writes texts, which are the splits train and test, and imports them.
func importText(t *testing.T, change func(*closure.Import), texts ...string) (*closuretest.Memory, *schema.Dataset, error) {
	t.Helper()
	dir := t.TempDir()
	o := closure.Import{Name: "plays", Version: "1.0.0"}
	for i, text := range texts {
		name := []string{"train", "test"}[i]
		o.Splits = append(o.Splits, closure.SplitFiles{Name: name, Files: []string{writeFile(t, dir, name+".txt", []byte(text))}})
	}
	if change != nil {
		change(&o)
	}
	store := new(closuretest.Memory)
	d, _, err := closure.ImportText(t.Context(), o, store)
	return store, d, err
}

// tokens are the inputs and targets of a split, as texts.
func tokens(store *closuretest.Memory, d *schema.Dataset, split string) (inputs, targets []string) {
	s, _ := d.Split(split)
	all := stored(store, s)
	at := func(f schema.Field, i int) string {
		b := all[i*d.Record.Size+f.Offset:]
		if f.DType == "u16" {
			return d.Classes[binary.LittleEndian.Uint16(b)]
		}
		return d.Classes[b[0]]
	}
	for i := range int(s.Records) {
		inputs = append(inputs, at(d.Record.Input, i))
		targets = append(targets, at(d.Record.Target, i))
	}
	return inputs, targets
}

func TestImportText(t *testing.T) {
	many := ""
	for r := rune(0x4e00); r < 0x4e00+300; r++ {
		many += string(r)
	}
	for _, tc := range []struct {
		name    string
		texts   []string
		change  func(*closure.Import)
		classes string // joined by |
		splits  map[string]string
	}{
		{"characters", []string{"to be,\nor"}, nil, "\n| |,|b|e|o|r|t", map[string]string{"train": "to be,\nor"}},
		{"beyond ASCII", []string{"né 🙂 né"}, nil, " |n|é|🙂", map[string]string{"train": "né 🙂 né"}},
		{"bytes", []string{"né"}, func(o *closure.Import) { o.Tokens = closure.TokensBytes }, `n|\xa9|\xc3`, map[string]string{"train": `n\xc3\xa9`}},
		{"a byte order mark is no text", []string{"\xef\xbb\xbfab"}, nil, "a|b", map[string]string{"train": "ab"}},
		{"line ends stay", []string{"a\r\n"}, nil, "\n|\r|a", map[string]string{"train": "a\r\n"}},
		{"two files, one vocabulary", []string{"aab", "bbc"}, nil, "a|b|c", map[string]string{"train": "aab", "test": "bbc"}},
		{"the end held out", []string{"abcdeabcde"}, func(o *closure.Import) { o.TestFraction = 0.25 }, "a|b|c|d|e", map[string]string{"train": "abcdeab", "test": "cde"}},
		{"characters held out", []string{"ééé🙂"}, func(o *closure.Import) { o.TestFraction = 0.25 }, "é|🙂", map[string]string{"train": "ééé", "test": "🙂"}},
		{"two bytes a token", []string{many}, nil, strings.Join(strings.Split(many, ""), "|"), map[string]string{"train": many}},
		{"gzip", []string{string(gzipped([]byte("abba")))}, nil, "a|b", map[string]string{"train": "abba"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, d, err := importText(t, tc.change, tc.texts...)
			if err != nil {
				t.Fatal(err)
			}
			if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.classes, strings.Join(d.Classes, "|")); diff != "" {
				t.Error(diff)
			}
			size := 1
			if len(d.Classes) > 256 {
				size = 2
			}
			dtype := fmt.Sprint("u", 8*size)
			want := schema.RecordLayout{
				Size: 2 * size, Input: schema.Field{DType: dtype, Shape: []int{}}, Target: schema.Field{Offset: size, DType: dtype, Shape: []int{}},
			}
			if diff := cmp.Diff(want, d.Record); diff != "" {
				t.Error(diff)
			}
			for split, want := range tc.splits {
				inputs, targets := tokens(store, d, split)
				if got := strings.Join(inputs, ""); got != want {
					t.Errorf("%s: got %q, want %q", split, got, want)
				}
				next := append(inputs[1:len(inputs):len(inputs)], inputs[0])
				if diff := cmp.Diff(next, targets); diff != "" {
					t.Errorf("%s: targets are not the next tokens: %s", split, diff)
				}
			}
			if len(d.Splits) != len(tc.splits) {
				t.Errorf("got splits %+v", d.Splits)
			}
		})
	}
}

// The windows of a text are its records in some order, each with the tokens that follow.
func TestImportTextWindows(t *testing.T) {
	const text = "abcdefghijklmno" // two windows of seven, and one letter that is left out
	for _, bytes := range []bool{true, false} {
		whole, size := text, 1
		if !bytes { // more than 256 characters take two bytes each
			for r := rune(0x4e00); r < 0x4e00+300; r++ {
				whole += string(r)
			}
			size = 2
		}
		store, d, err := importText(t, func(o *closure.Import) { o.Window = 7 }, whole)
		if err != nil {
			t.Fatal(err)
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
		field := schema.Field{DType: fmt.Sprint("u", 8*size), Shape: []int{7}}
		want := schema.RecordLayout{Size: 14 * size, Input: field, Target: field}
		want.Target.Offset = 7 * size
		if diff := cmp.Diff(want, d.Record); diff != "" {
			t.Error(diff)
		}
		s, _ := d.Split("train")
		runes := []rune(whole)
		if int(s.Records) != len(runes)/7 {
			t.Errorf("got %d records", s.Records)
		}
		all, seen := stored(store, s), map[string]bool{}
		at := func(i int) string {
			if size == 2 {
				return d.Classes[binary.LittleEndian.Uint16(all[2*i:])]
			}
			return d.Classes[all[i]]
		}
		for i := range int(s.Records) {
			var input, target string
			for k := range 7 {
				input, target = input+at(i*14+k), target+at(i*14+7+k)
			}
			seen[input+" "+target] = true
		}
		for i := 0; i+7 <= len(runes); i += 7 {
			next := append(append([]rune(nil), runes[i+1:]...), runes[0])[:7]
			if pair := string(runes[i:i+7]) + " " + string(next); !seen[pair] {
				t.Errorf("there is no record %q", pair)
			}
		}
	}
}

func TestImportTextRefuses(t *testing.T) {
	tooMany := strings.Builder{}
	for r := rune(0x10000); r < 0x10000+1<<16+1; r++ {
		tooMany.WriteRune(r)
	}
	for _, tc := range []struct {
		name   string
		text   string
		change func(*closure.Import)
		want   string
	}{
		{"empty", "", nil, "train.txt: the file is empty"},
		{"only a byte order mark", "\xef\xbb\xbf", nil, "train.txt: there is no text in it"},
		{"Latin-1", "ab\ncaf\xe9\n", nil, "train.txt: line 2: the byte 0xe9, at 6, is not UTF-8"},
		{"UTF-16", "\xff\xfea\x00", nil, "train.txt: UTF-16 text: save it as UTF-8"},
		{"too many characters", tooMany.String(), nil, "more than 65536 different characters: take bytes as tokens"},
		{"fraction", "abc", func(o *closure.Import) { o.TestFraction = 0.01 }, "splits.test: a fraction of 0.01 leaves a split of 3 tokens empty"},
		{"fraction of nothing", "abc", func(o *closure.Import) { o.TestFraction = math.NaN() }, "is not between 0 and 1"},
		{"split test", "abc", func(o *closure.Import) { o.TestFraction, o.Splits[0].Name = 0.5, "test" }, "the split is there already"},
		{"classes", "abc", func(o *closure.Import) { o.Classes = []string{"a"} }, "classes: a text has none to be named"},
		{"seed", "abc", func(o *closure.Import) { o.Seed = 1 }, "seed: a text stays in its order"},
		{"tokens", "abc", func(o *closure.Import) { o.Tokens = "words" }, `tokens: "words"; there are characters and bytes`},
		{"label", "abc", func(o *closure.Import) { o.Label = "x" }, "a text has no columns"},
		{"channels", "abc", func(o *closure.Import) { o.Channels = 1 }, "options of folders of images"},
		{"a window longer than the text", "abc", func(o *closure.Import) { o.Window = 4 }, "splits.train: has 3 tokens, fewer than a window of 4"},
		{"a negative window", "abc", func(o *closure.Import) { o.Window = -1 }, "window: -1 is not between 1 and 65536 tokens"},
		{"memory", "abcdefgh", func(o *closure.Import) { o.Memory = 4 }, "takes more than 4 bytes"},
		{"decompressed size", string(gzipped(make([]byte, 1<<20))), func(o *closure.Import) { o.MaxBytes = 1000 }, "more than 1000 bytes when decompressed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := importText(t, tc.change, tc.text)
			wantInvalid(t, err, tc.want)
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add("to be, or\nnot", false, uint8(10))
	f.Add("n\xe9", true, uint8(0))
	f.Add("\xef\xbb\xbf🙂é", false, uint8(128))
	f.Fuzz(func(t *testing.T, text string, raw bool, fraction uint8) {
		store, d, err := importText(t, func(o *closure.Import) {
			o.MaxBytes, o.Memory, o.TestFraction = 1<<20, 1<<20, float64(fraction)/256
			if raw {
				o.Tokens = closure.TokensBytes
			}
		}, text)
		if err != nil {
			wantInvalid(t, err, "")
			return
		}
		if err := closure.VerifyDataset(t.Context(), store, d); err != nil {
			t.Error(err)
		}
		train, _ := tokens(store, d, "train")
		var test []string
		if fraction > 0 {
			test, _ = tokens(store, d, "test")
		}
		if got := strings.Join(append(train, test...), ""); !raw && !strings.HasPrefix(text, "\x1f\x8b") && got != strings.TrimPrefix(text, "\xef\xbb\xbf") {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}
