package api

import "testing"

// The same figures as in web/src/site/state/format.test.ts, which writes them the same.
func TestFormat(t *testing.T) {
	for _, sc := range []struct{ got, want string }{
		{percent(990, 1000), "99.00 %"},
		{percent(99999, 100000), "99.99 %"},
		{percent(1000, 1000), "100.00 %"},
		{percent(29, 100), "29.00 %"},
		{percent(1<<53-2, 1<<53-1), "99.99 %"},
		{percent(0, 0), "–"},
		{percent(2, 1), "–"},
		{byteCount(0), "0 B"},
		{byteCount(999), "999 B"},
		{byteCount(1000), "1.00 kB"},
		{byteCount(36234), "36.2 kB"},
		{byteCount(5_495_000), "5.50 MB"},
		{byteCount(999_900), "1.00 MB"},
		{grouped(12), "12"},
		{grouped(1234567), "1,234,567"},
		{grouped(-123456), "-123,456"},
		{compact(803), "803"},
		{compact(31786), "31.8k"},
		{compact(100_000), "100k"},
		{compact(1_200_000), "1.2M"},
		{compact(999_999), "1M"},
		{significant(2.1723), "2.17"},
		{significant(0.0296), "0.0296"},
		{significant(1234), "1.23e+3"},
		{significant(0.00000012), "1.20e-7"},
	} {
		if sc.got != sc.want {
			t.Errorf("%q, want %q", sc.got, sc.want)
		}
	}
}
