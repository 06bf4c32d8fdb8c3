package main

import (
	"strings"
	"testing"

	"github.com/reprise-ml/reprise/schema"
)

func TestToken(t *testing.T) {
	d := newDesk(t)
	made := report[schema.TokenReport](d, schema.KindTokenReport, exitDone, "token", "create", "--name", "alice/*", "--expires", "90d", "--quota", "50GB")
	if !strings.HasPrefix(made.Token, "reprise_"+made.ID+"_") || made.Scope != "push" || made.Names != "alice/*" || made.Quota != 50e9 || made.Expires <= made.Created {
		t.Errorf("%+v", made)
	}
	o := d.done("token", "create", "--scope", "admin")
	secret := strings.TrimSpace(o.stdout)
	if !strings.HasPrefix(secret, "reprise_") || strings.Contains(o.stderr, secret) || !strings.Contains(o.stderr, "only time") {
		t.Errorf("%+v", o)
	}
	list := *report[[]schema.TokenReport](d, schema.KindTokenList, exitDone, "token", "list")
	if len(list) != 2 || list[0].Token != "" {
		t.Errorf("%+v", list)
	}
	if text := d.done("token", "list").stdout; !strings.Contains(text, made.ID) || strings.Contains(text, made.Token) {
		t.Errorf("%s", text)
	}
	revoked := *report[[]schema.TokenReport](d, schema.KindTokenList, exitDone, "token", "revoke", made.ID)
	if len(revoked) != 1 || revoked[0].ID != made.ID {
		t.Errorf("%+v", revoked)
	}
	d.refused(exitFailed, []string{"there is no token", "token list"}, "token", "revoke", made.ID)
	if list := *report[[]schema.TokenReport](d, schema.KindTokenList, exitDone, "token", "list"); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

func TestTokenRefuses(t *testing.T) {
	d := newDesk(t)
	d.refused(exitInvalid, []string{"none of pull, push, admin"}, "token", "create", "--scope", "root")
	d.refused(exitInvalid, []string{"pattern of names"}, "token", "create", "--name", "[")
	d.refused(exitInvalid, []string{"may pull everything"}, "token", "create", "--scope", "pull", "--name", "a/*")
	for _, life := range []string{"soon", "-1h", "0d", "99999999d", "1e9d"} {
		d.refused(exitInvalid, []string{"--expires", "90d"}, "token", "create", "--expires="+life)
	}
	for _, quota := range []string{"much", "-1", "0", "99999999999GB", "1.5GB"} {
		d.refused(exitInvalid, []string{"20GiB"}, "token", "create", "--quota="+quota)
	}
	d.refused(exitInvalid, []string{"create or list or revoke"}, "token")
	d.refused(exitInvalid, []string{"ID is missing"}, "token", "revoke")
	if text := d.done("token", "list", "--quiet").stdout; text != "" {
		t.Errorf("%s", text)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{"1": 1, "10B": 10, "5kB": 5e3, "5KiB": 5 << 10, "3 MB": 3e6, "20GiB": 20 << 30, "2TB": 2e12} {
		var s size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
}

func TestServerPath(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", "/config")
	for _, tc := range []struct{ place, chosen, want string }{
		{"./zoo", "", "zoo/tokens"},
		{"./zoo", "/t", "/t"},
		{"s3://bucket", "/t", "/t"},
		{"s3://bucket", "", "/config/reprise/" + schema.DigestOf([]byte("s3://bucket")).Short() + "/tokens"},
	} {
		if got, err := tokensPath(tc.place, tc.chosen); err != nil || got != tc.want {
			t.Errorf("%s %s: %s, %v", tc.place, tc.chosen, got, err)
		}
	}
}
