package zoo_test

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
	"github.com/reprise-ml/reprise/zoo/memory"
	"github.com/reprise-ml/reprise/zoo/storetest"
)

func TestWithdraw(t *testing.T) {
	s := memory.New()
	publish(t, s, storetest.Object("mnist", "1.0.0", "a"), zoo.PublishOptions{})
	publish(t, s, storetest.Object("mnist", "1.1.0", "b"), zoo.PublishOptions{})
	r, err := zoo.Resolve(t.Context(), s, "mnist:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ reason, created string }{
		{"wrong labels", "2026-02-01T00:00:00Z"},
		{"and the wrong data", "2026-03-01T00:00:00Z"},
		{"wrong labels", "2026-04-01T00:00:00Z"}, // said already
	} {
		if _, err := zoo.Withdraw(t.Context(), s, r, w.reason, w.created); err != nil {
			t.Fatal(err)
		}
	}
	list, err := zoo.Withdrawals(t.Context(), s, "mnist", r.Entry.Digest)
	if err != nil || len(list) != 2 || list[0].Reason != "and the wrong data" || list[1].Version != "1.0.0" {
		t.Errorf("got %+v, %v", list, err)
	}
	history, err := zoo.History(t.Context(), s, "mnist")
	if err != nil || history[0].Withdrawn != "" || history[1].Withdrawn != "and the wrong data" {
		t.Errorf("history: %+v, %v", history, err)
	}
	if report, err := zoo.Fsck(t.Context(), s, zoo.FsckOptions{}); err != nil || len(report.Damaged) > 0 {
		t.Errorf("fsck: %+v, %v", report, err)
	}
	for _, reason := range []string{"", strings.Repeat("a", 2001)} {
		if _, err := zoo.Withdraw(t.Context(), s, r, reason, "2026-02-01T00:00:00Z"); !isInvalid(err) {
			t.Errorf("a reason of %d letters: got error %v", len(reason), err)
		}
	}
	if _, err := zoo.Withdraw(t.Context(), s, r, "x", "yesterday"); !isInvalid(err) {
		t.Errorf("a bad date: got error %v", err)
	}
}

// A record that claims another object than its marker withdraws nothing.
func TestWithdrawalOfAnother(t *testing.T) {
	s := memory.New()
	a := publish(t, s, storetest.Object("mnist", "1.0.0", "a"), zoo.PublishOptions{})
	b := publish(t, s, storetest.Object("mnist", "1.1.0", "b"), zoo.PublishOptions{})
	m, document, err := closure.WithdrawalManifest(
		&schema.Withdrawal{SchemaVersion: 1, Name: "mnist", Digest: a.Digest, Reason: "x", Created: "2026-02-01T00:00:00Z"},
		closure.Descriptor{MediaType: a.MediaType, Digest: a.Digest, Size: a.Size})
	if err != nil {
		t.Fatal(err)
	}
	e, err := zoo.PutRecord(t.Context(), s, "mnist", m, document)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutReferrer(t.Context(), b.Digest, e); err != nil {
		t.Fatal(err)
	}
	if list, err := zoo.Withdrawals(t.Context(), s, "mnist", b.Digest); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
	m.Subject = nil
	if _, err := zoo.PutRecord(t.Context(), s, "mnist", m, document); !isInvalid(err) {
		t.Errorf("a record about nothing: got error %v", err)
	}
}
