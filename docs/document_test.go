// Package docs_test holds the documents in this directory against the program:
// what they say is so, and what the program says is in them.
package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// A document is a YAML file of this directory, as encoding/json would read it.
type document struct {
	name string
	root map[string]any
}

func readDocument(t *testing.T, name string) *document {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	text, err = json.Marshal(root)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	root, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &document{name, root.(map[string]any)}
}

// close closes every object that a schema of the document describes: the
// documents leave room for fields of later versions, this one has no others.
func (d *document) close() *document {
	closeSchemas(d.root)
	return d
}

func closeSchemas(node any) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			closeSchemas(item)
		}
	case map[string]any:
		_, open := node["additionalProperties"]
		if _, ok := node["properties"].(map[string]any); ok && !open {
			node["additionalProperties"] = false
		}
		for _, item := range node {
			closeSchemas(item)
		}
	}
}

// at is what a reference of the document means: "#/channels/stream".
func (d *document) at(ref string) (any, error) {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, fmt.Errorf("%s: %s is not within the document", d.name, ref)
	}
	var node any = d.root
	for name := range strings.SplitSeq(path, "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		object, _ := node.(map[string]any)
		if node, ok = object[name]; !ok {
			return nil, fmt.Errorf("%s: there is no %s", d.name, ref)
		}
	}
	return node, nil
}

// object is at for what must be an object. References are followed.
func (d *document) object(t *testing.T, ref string) map[string]any {
	t.Helper()
	for {
		node, err := d.at(ref)
		if err != nil {
			t.Fatal(err)
		}
		object, ok := node.(map[string]any)
		if !ok {
			t.Fatalf("%s: %s is no object", d.name, ref)
		}
		next, ok := object["$ref"].(string)
		if !ok {
			return object
		}
		ref = next
	}
}

// refs are all references in the document.
func (d *document) refs() []string {
	var list []string
	var walk func(node any)
	walk = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, item := range node {
				walk(item)
			}
		case map[string]any:
			if ref, ok := node["$ref"].(string); ok {
				list = append(list, ref)
			}
			for _, item := range node {
				walk(item)
			}
		}
	}
	walk(d.root)
	return list
}
