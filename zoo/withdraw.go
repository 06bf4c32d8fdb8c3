package zoo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

// Withdraw takes back an object: a record with the reason is kept about it, and everybody who finds the object is told. The
// object stays where it is, so that what refers to it can still be checked. created is RFC 3339.
//
// It returns the record's entry. Withdrawing for the same reason again changes nothing. A reason that is empty or too long is
// *schema.Invalid.
func Withdraw(ctx context.Context, s Store, r Resolved, reason, created string) (Entry, error) {
	w := &schema.Withdrawal{
		SchemaVersion: 1, Name: r.Name, Version: r.Version, Digest: r.Entry.Digest, Reason: reason, Created: created,
	}
	m, document, err := closure.WithdrawalManifest(w, closure.Descriptor{
		MediaType: r.Entry.MediaType, Digest: r.Entry.Digest, Size: r.Entry.Size,
	})
	if err != nil {
		return Entry{}, err
	}
	before, err := withdrawals(ctx, s, r.Name, r.Entry.Digest)
	if err != nil {
		return Entry{}, err
	}
	for _, b := range before {
		if b.Reason == reason {
			return b.entry, nil
		}
	}
	return PutRecord(ctx, s, r.Name, m, document)
}

// PutRecord stores a record about an object of a name: its document and the contents of its layers, its manifest, and then the marker by
// which it is found.
func PutRecord(ctx context.Context, s Store, name string, m *closure.Manifest, document []byte, layers ...[]byte) (Entry, error) {
	e := EntryOf(m)
	if m.Subject == nil {
		return Entry{}, schema.Invalidf("record", "subject", "is missing")
	}
	if err := CheckReferrer(ctx, m.Subject.Digest, e); err != nil {
		return Entry{}, err
	}
	blobs := BlobsOf(s, name)
	if err := blobs.Put(ctx, m.Config.Digest, m.Config.Size, bytes.NewReader(document)); err != nil {
		return Entry{}, err
	}
	for i, layer := range layers {
		if err := blobs.Put(ctx, m.Layers[i].Digest, m.Layers[i].Size, bytes.NewReader(layer)); err != nil {
			return Entry{}, err
		}
	}
	if err := blobs.Put(ctx, e.Digest, e.Size, bytes.NewReader(m.Bytes())); err != nil {
		return Entry{}, err
	}
	return e, ReferrersOf(s, name).PutReferrer(ctx, m.Subject.Digest, e)
}

// Withdrawals lists the withdrawals of an object of a name, the latest first. A record that cannot be read is an error, but for
// one that is not acceptable, which withdraws nothing.
func Withdrawals(ctx context.Context, s Store, name string, d schema.Digest) ([]schema.Withdrawal, error) {
	found, err := withdrawals(ctx, s, name, d)
	var list []schema.Withdrawal
	for _, w := range found {
		list = append(list, w.Withdrawal)
	}
	return list, err
}

type withdrawal struct {
	schema.Withdrawal
	entry Entry
}

func withdrawals(ctx context.Context, s Store, name string, d schema.Digest) ([]withdrawal, error) {
	about, err := ReferrersOf(s, name).Referrers(ctx, d)
	if err != nil {
		return nil, err
	}
	var found []withdrawal
	for _, e := range about {
		if e.ArtifactType != schema.MediaTypeWithdrawal {
			continue
		}
		w, err := readWithdrawal(ctx, s, name, e)
		if errors.As(err, new(*schema.Invalid)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if w.Digest == d {
			found = append(found, withdrawal{*w, e})
		}
	}
	slices.SortStableFunc(found, func(a, b withdrawal) int { return cmp.Compare(b.Created, a.Created) })
	return found, nil
}

func readWithdrawal(ctx context.Context, s Store, name string, e Entry) (*schema.Withdrawal, error) {
	m, err := Manifest(ctx, s, Resolved{Name: name, Entry: e})
	if err != nil {
		return nil, err
	}
	return closure.LoadWithdrawal(ctx, BlobsOf(s, name), m)
}

// withdrawnBecause is the latest reason why an object was withdrawn; empty if it was not.
func withdrawnBecause(ctx context.Context, s Store, name string, d schema.Digest) (string, error) {
	list, err := Withdrawals(ctx, s, name, d)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0].Reason, nil
}
