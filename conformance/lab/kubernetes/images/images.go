// Package images is the lab's table of images: what is run for an image name.
package images

import (
	"encoding/json"
	"os"
	"path"
	"strings"
)

// Image is one row of the table.
type Image struct {
	// Match is a pattern of image names, REPOSITORY:TAG, either of which may have `*` in it. A tag of only `*` matches digests, too.
	Match string `json:"match"`
	// Root is the folder that holds the image's content; the machine's own root where it is empty. It is never written to.
	Root       string   `json:"root"`
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	// Env is variables as NAME=VALUE.
	Env []string `json:"env"`
	// User is a name or number, and a group after a colon, as in a Dockerfile; root where it is empty.
	User       string `json:"user"`
	WorkingDir string `json:"workingDir"`
	// Files are laid over the content, read-only: by their paths in the container, the paths that they have here.
	Files map[string]string `json:"files"`
}

// Table is searched from its beginning.
type Table []Image

// Read gives the table of a JSON file.
func Read(file string) (Table, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var table Table
	return table, json.Unmarshal(raw, &table)
}

// Find gives the first image that a name matches, or nil.
func (t Table) Find(name string) *Image {
	repository, tag := split(name)
	for i := range t {
		wantedRepository, wantedTag := split(t[i].Match)
		if matches(wantedRepository, repository) && (wantedTag == "*" || tag != "" && matches(wantedTag, tag)) {
			return &t[i]
		}
	}
	return nil
}

// split gives an image name's repository and tag; no tag where only a digest tells the version.
func split(name string) (repository, tag string) {
	name, _, hasDigest := strings.Cut(name, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		return name[:colon], name[colon+1:]
	}
	if hasDigest {
		return name, ""
	}
	return name, "latest"
}

func matches(pattern, text string) bool {
	matched, err := path.Match(pattern, text)
	return err == nil && matched
}
