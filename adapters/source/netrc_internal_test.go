package source

import "testing"

const sampleNetrc = `# logins
machine a.example login alice password one
machine b.example
	login "b ob" # not he
	password "t\"wo"
macdef init
machine c.example login no password no

machine a.example login carol password three
default login anonymous password me@
`

func TestFindLogin(t *testing.T) {
	for _, tt := range []struct{ host, user, wantUser, wantPassword string }{
		{"a.example", "", "alice", "one"},
		{"A.EXAMPLE", "", "alice", "one"},
		{"a.example", "carol", "carol", "three"},
		{"b.example", "", "b ob", `t"wo`},
		{"c.example", "", "anonymous", "me@"},
		{"sub.a.example", "", "anonymous", "me@"},
	} {
		got, ok := findLogin(sampleNetrc, tt.host, tt.user)
		if !ok || got.user != tt.wantUser || got.password != tt.wantPassword {
			t.Errorf("findLogin(%q, %q) = %+v, %v", tt.host, tt.user, got, ok)
		}
	}
	if got, ok := findLogin(sampleNetrc, "a.example", "dave"); ok {
		t.Errorf("dave is %+v", got)
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add(sampleNetrc)
	for _, s := range []string{"machine", `machine "a`, "login x", "default default", "macdef", `"\`, "machine a login b password"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseNetrc(s) {
			if n := len(l.machine) + len(l.user) + len(l.password); n > len(s) {
				t.Errorf("%d bytes out of %d", n, len(s))
			}
		}
	})
}
