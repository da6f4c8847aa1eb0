package profiles

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// header is above every instance.toml that is written.
const header = `# Settings of one Aztec node. They are yours to edit; "aztec-spartan config NAME"
# then checks them and applies them. It rewrites this file, without comments.
# Keys do not belong here. Variables of the node's own go under [env].

`

// Encode returns the text of instance.toml. The same settings give the same
// bytes, and ParseInstance reads them back.
func (i Instance) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(header)
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(i); err != nil {
		// Strings, numbers and tables of them: nothing that can fail.
		panic(fmt.Sprintf("profiles: encoding instance %s: %v", i.Name, err))
	}
	return b.Bytes()
}

// ParseInstance reads instance.toml. It fails with ErrSchema in its chain if
// the file is a newer program's, and names every key it does not know and the
// nearest one it does. Values are not judged: see Validate.
func ParseInstance(name string, data []byte) (Instance, error) {
	var version struct {
		Schema int `toml:"schema"`
	}
	if _, err := toml.Decode(string(data), &version); err != nil {
		return Instance{}, err
	}
	if version.Schema > Schema {
		return Instance{}, newerSchema(version.Schema)
	}
	if version.Schema < 1 {
		return Instance{}, fmt.Errorf("schema is missing: schema = %d belongs at the top", Schema)
	}
	i := New(name)
	i.Role, i.LogLevel = "", ""
	meta, err := toml.Decode(string(data), &i)
	if err != nil {
		return Instance{}, err
	}
	if i.L1.ChainID > maxChainID { // the decoder makes one of -1
		return Instance{}, fmt.Errorf("l1.chain_id: not between 0 and %d", uint64(maxChainID))
	}
	known := settings(reflect.TypeFor[Instance](), "")
	var errs []error
	for _, k := range meta.Keys() {
		// Compared letter by letter: the decoder would take ROLE for role.
		if key := strings.Join(k, "."); !slices.Contains(known, key) && k[0] != "env" {
			errs = append(errs, unknown("setting", clip(key), known))
		}
	}
	if err := oneLine(errs); err != nil {
		return Instance{}, err
	}
	return i, nil
}

// oneLine joins errors with semicolons: what a user reads is one line.
func oneLine(errs []error) error {
	switch errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return joined(errs)
}

type joined []error

func (j joined) Error() string {
	var texts []string
	for _, err := range j {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }
