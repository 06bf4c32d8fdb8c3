package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// versionText is SemVer 2.0 without build metadata: a registry's tags cannot hold a "+".
var versionText = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)` +
	`(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$`)

// CheckVersion says why s is not a version, or nil. A version is SemVer without "+", of at most 128 characters.
func CheckVersion(s string) error {
	switch {
	case len(s) > 128:
		return fmt.Errorf("%q is too long for a version", shorten(s))
	case strings.Contains(s, "+"):
		return fmt.Errorf("%q is not a version: build metadata (+) cannot be stored", s)
	case !versionText.MatchString(s):
		return fmt.Errorf("%q is not a version: write three numbers such as 1.0.0, or 1.0.0-rc.1", s)
	}
	return nil
}

// IsPrerelease reports whether a version, such as 1.0.0-rc.1, precedes its release.
func IsPrerelease(version string) bool { return strings.Contains(version, "-") }

// CompareVersions orders two versions by the precedence of SemVer: -1 where a comes before b, 0 where they are equal,
// 1 where it comes after.
func CompareVersions(a, b string) int {
	coreA, preA, _ := strings.Cut(a, "-")
	coreB, preB, _ := strings.Cut(b, "-")
	byCore := slices.CompareFunc(strings.Split(coreA, "."), strings.Split(coreB, "."), compareNumeric)
	switch {
	case byCore != 0 || preA == preB:
		return byCore
	case preA == "":
		return 1
	case preB == "":
		return -1
	}
	return slices.CompareFunc(strings.Split(preA, "."), strings.Split(preB, "."), compareIdentifier)
}

// compareIdentifier orders numbers before texts.
func compareIdentifier(a, b string) int {
	numA, numB := strings.Trim(a, "0123456789") == "", strings.Trim(b, "0123456789") == ""
	switch {
	case numA && numB:
		return compareNumeric(a, b)
	case numA:
		return -1
	case numB:
		return 1
	}
	return strings.Compare(a, b)
}

// compareNumeric compares numbers of any length without leading zeros.
func compareNumeric(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
