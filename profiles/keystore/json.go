package keystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// object is a JSON object whose keys mean what they say: encoding/json would
// match them in any case and let the last of two win, the node does not.
type object struct {
	path   string
	names  []string // of fields, in the order of the file
	fields map[string]json.RawMessage
}

// rootPath is the path of the object that the file is. Fields of it are named
// without it.
const rootPath = "the file"

func objectAt(path string, raw json.RawMessage) (object, error) {
	o := object{path: path, fields: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return o, fmt.Errorf("%s: is not a JSON object", path)
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return o, fmt.Errorf("%s: is not valid JSON", path)
		}
		if _, twice := o.fields[name]; twice {
			return o, fmt.Errorf("%s: is there twice", o.at(name))
		}
		o.names = append(o.names, name)
		o.fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return o, fmt.Errorf("%s: is not valid JSON", path)
	}
	if _, err := d.Token(); err != io.EOF {
		return o, fmt.Errorf("%s: something follows the JSON object", path)
	}
	return o, nil
}

func arrayAt(path string, raw json.RawMessage) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s: is not a list", path)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: is empty", path)
	}
	return list, nil
}

// at is the path of a field, for errors.
func (o object) at(name string) string {
	if !showable.MatchString(name) {
		name = "(a name not shown)"
	}
	if o.path == rootPath {
		return name
	}
	return o.path + "." + name
}

// has reports whether a field is there. null is as good as absent: the node's
// schema says nullish.
func (o object) has(name string) bool {
	raw, ok := o.fields[name]
	return ok && string(raw) != "null"
}

func (o object) get(name string) json.RawMessage { return o.fields[name] }

// only refuses fields with other names: the node's schema is strict.
func (o object) only(names ...string) error {
	for _, name := range o.names {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s: unknown field", o.at(name))
		}
	}
	return nil
}

// set changes a field, or adds one at the end.
func (o *object) set(name string, raw json.RawMessage) {
	if _, ok := o.fields[name]; !ok {
		o.names = append(o.names, name)
	}
	o.fields[name] = raw
}

// encode is the object as JSON, its fields in their order.
func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoted(name))
		b.WriteByte(':')
		b.Write(o.fields[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quoted is a JSON string. Strings always encode.
func quoted(s string) json.RawMessage {
	raw, _ := json.Marshal(s)
	return raw
}

// checker judges the JSON value at a path.
type checker func(path string, raw json.RawMessage) error

// check judges a field if it is there.
func (o object) check(name string, c checker) error {
	if !o.has(name) {
		return nil
	}
	return c(o.at(name), o.get(name))
}

// text is the string that a JSON value is.
func text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

func anyText(path string, raw json.RawMessage) error {
	if s, ok := text(raw); !ok || s == "" {
		return fmt.Errorf("%s: must be text", path)
	}
	return nil
}

// emptyText is anyText that may be empty: a password.
func emptyText(path string, raw json.RawMessage) error {
	if _, ok := text(raw); !ok {
		return fmt.Errorf("%s: must be text", path)
	}
	return nil
}

// count checks a field that is absent or a number of at least min. null is not
// absent here: the node has a default for it, not an option.
func count(o object, name string, min int) error {
	raw, there := o.fields[name]
	var n *int
	if err := json.Unmarshal(raw, &n); there && (err != nil || n == nil || *n < min) {
		return fmt.Errorf("%s: must be a whole number of at least %d", o.at(name), min)
	}
	return nil
}
