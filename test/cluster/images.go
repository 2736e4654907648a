// images.go: there are no images, but a name may stand for a program of the host.
package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// images maps the name of an image, without tag and digest, to the path of its entrypoint.
type images map[string]string

// add takes NAME=PATH.
func (i images) add(arg string) error {
	name, path, ok := strings.Cut(arg, "=")
	if !ok || name == "" {
		return fmt.Errorf("want NAME=PATH")
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return err
	}
	i[name], err = filepath.Abs(path)
	return err
}

// entrypoint is nil for an image that is not in the table.
func (i images) entrypoint(image string) []string {
	name, _, _ := strings.Cut(image, "@")
	if tag := strings.LastIndex(name, ":"); tag > strings.LastIndex(name, "/") {
		name = name[:tag]
	}
	if path := i[name]; path != "" {
		return []string{path}
	}
	return nil
}
