package api

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Numbers for readers, as web/src/site/state/format.ts writes them. Only figures that no comparison depends on are rounded.

// percent is a share in percent, rounded down, so that only all of them are 100 %.
func percent(correct, total int64) string {
	if total <= 0 || correct < 0 || correct > total {
		return "–"
	}
	high, low := bits.Mul64(uint64(correct), 10000)
	n, _ := bits.Div64(high, low, uint64(total))
	return fmt.Sprintf("%d.%02d %%", n/100, n%100)
}

// grouped is 1234567 as "1,234,567".
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// compact is 1234567 as "1.23M".
func compact(n int64) string {
	text, unit := scaled(n, "", "k", "M", "bn", "tn")
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + unit
}

func byteCount(n int64) string {
	text, unit := scaled(n, "B", "kB", "MB", "GB", "TB")
	return text + " " + unit
}

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"}

// day is a time's day, in UTC; what is no time stays as it is, but not longer.
func day(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return cutText(plain(rfc3339), 40)
	}
	year, month, d := t.UTC().Date()
	return fmt.Sprintf("%d %s %d", d, months[month-1], year)
}

// scaled writes n in the largest unit that keeps it at or above one, in three digits where it is not the first.
func scaled(n int64, units ...string) (text, unit string) {
	value := float64(n)
	text = strconv.FormatInt(n, 10)
	i := 0
	for ; value >= 1000 && i < len(units)-1; i++ {
		value /= 1000
		text = significant(value)
		if text == "1.00e+3" && i+1 < len(units)-1 {
			value, text = 1000, "1.00" // it was rounded up to the next unit
		}
	}
	return text, units[i]
}

// significant has three digits, as JavaScript's toPrecision(3) writes them.
func significant(v float64) string {
	text := strconv.FormatFloat(v, 'e', 2, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	e, err := strconv.Atoi(exponent)
	switch {
	case err != nil: // not a number, or infinite
		return text
	case e >= 3:
		return mantissa + "e+" + strconv.Itoa(e)
	case e < -6:
		return mantissa + "e" + strconv.Itoa(e)
	}
	return strconv.FormatFloat(v, 'f', 2-e, 64)
}
