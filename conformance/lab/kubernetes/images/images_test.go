package images

import "testing"

func TestFind(t *testing.T) {
	table := Table{
		{Match: "registry.example/echo:v1*", User: "first"},
		{Match: "registry.example/echo:*", User: "second"},
		{Match: "*/team/app:*", User: "third"},
		{Match: "plain", User: "fourth"},
	}
	for name, want := range map[string]string{
		"registry.example/echo:v1.2":             "first",
		"registry.example/echo:v2":               "second",
		"registry.example/echo":                  "second",
		"registry.example/echo@sha256:0a":        "second",
		"registry.example/echo:v1.0@sha256:0a":   "first",
		"registry.example:5000/team/app:x":       "third",
		"plain":                                  "fourth",
		"plain:latest":                           "fourth",
		"plain:other":                            "",
		"plain@sha256:0a":                        "",
		"registry.example/deeper/echo:v1":        "",
		"registry.example/team/app/deeper:v1":    "",
		"registry.example:5000/team/app":         "third",
		"registry.example:5000/nothing/app:team": "",
	} {
		got := ""
		if found := table.Find(name); found != nil {
			got = found.User
		}
		if got != want {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
}
