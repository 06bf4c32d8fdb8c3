package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/reprise-ml/reprise/schema"
)

// junitSuite is what continuous integration reads: https://github.com/testmoapp/junitxml.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a verification as a test suite: a case for integrity, one for the engine, and one for each claim.
func writeJUnit(w io.Writer, r *schema.VerifyReport) error {
	s := junitSuite{Name: "reprise verify " + nameOf(r)}
	add := func(name, failure, skipped, text string) {
		c := junitCase{Class: nameOf(r), Name: name}
		switch {
		case failure != "":
			c.Failure = &junitMessage{failure, text}
			s.Failures++
		case skipped != "":
			c.Skipped = &junitMessage{skipped, text}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
	if len(r.Damaged) > 0 {
		var lines []string
		for _, b := range r.Damaged {
			lines = append(lines, damageText(b))
		}
		add("every blob has its digest", fmt.Sprintf("%d damaged", len(r.Damaged)), "", strings.Join(lines, "\n"))
	} else {
		add("every blob has its digest", "", "", "")
	}
	differing := 0
	for _, c := range r.Claims {
		if c.Verdict == schema.VerdictDiffers {
			differing++
		}
	}
	if r.Derivation != "" {
		failure := ""
		if r.Verdict == schema.VerdictDiffers && differing == 0 {
			failure = r.Reason
		}
		add("the engine and the documents hold what they say", failure, "", derivationText(r.Derivation))
	}
	for _, c := range r.Claims {
		both := fmt.Sprintf("claimed %s, observed %s", valueText(c.Claimed), valueText(c.Observed))
		failure, skipped := "", ""
		switch c.Verdict {
		case schema.VerdictDiffers:
			failure = both
		case schema.VerdictUnproven:
			skipped = "it cannot be recomputed blindly, and the engine is not derived"
		}
		add(fmt.Sprintf("%s on %s", c.Metric, c.Split), failure, skipped, "")
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// writeMarkdown writes a verification for a page or a comment.
func writeMarkdown(w io.Writer, r *schema.VerifyReport) error {
	out := &stickyWriter{w: w}
	fmt.Fprintf(out, "## %s: %s\n\n`%s`\n", nameOf(r), r.Verdict, r.Closure)
	if r.Derivation != "" {
		fmt.Fprintf(out, "\n%s\n", derivationText(r.Derivation))
	}
	if r.Reason != "" {
		fmt.Fprintf(out, "\n%s\n", r.Reason)
	}
	if len(r.Claims) > 0 {
		fmt.Fprint(out, "\n| Claim | Split | Claimed | Observed | Verdict |\n|---|---|---|---|---|\n")
		for _, c := range r.Claims {
			fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", cell(c.Metric), cell(c.Split), valueText(c.Claimed), valueText(c.Observed), c.Verdict)
		}
	}
	if len(r.Damaged) > 0 {
		fmt.Fprint(out, "\n| Damaged file | Expected | Observed |\n|---|---|---|\n")
		for _, b := range r.Damaged {
			fmt.Fprintf(out, "| %s | `%s` | `%s` |\n", cell(b.Path), b.Expected, b.Observed)
		}
	}
	return out.err
}

// cell makes a text of a document harmless in a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(s)
}
