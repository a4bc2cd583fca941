package container

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is as many as the kernel follows.
const maxLinks = 40

// Resolve gives the path, from outside, of what is at a path in a root folder, whose symbolic links are followed as if the root were "/".
// What does not exist is as its name says.
func Resolve(root, path string) string {
	resolved := "/"
	parts := segments(path)
	for links := 0; len(parts) > 0; {
		next := filepath.Join(resolved, parts[0])
		parts = parts[1:]
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil || links == maxLinks {
			resolved = next
			continue
		}
		links++
		if filepath.IsAbs(target) {
			resolved = "/"
		}
		parts = append(segments(target), parts...)
	}
	return filepath.Join(root, resolved)
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
