package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// explained is what config --explain --json prints: the last one holds.
type explained struct {
	Instance string `json:"instance"`
	Name     string `json:"name"`
	Value    string `json:"value"` // as it may be shown
	From     string `json:"from"`
	Holds    bool   `json:"holds"`
}

// localEnv reads the operator's own variables of an instance; none if there is
// no file, and none if systemd reads it in another way than we do.
func (a *app) localEnv(name string) ([]envfile.Var, error) {
	path := instancePath(name, localEnvFile)
	data, err := os.ReadFile(a.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	file, err := envfile.Parse(data)
	if err != nil {
		a.note("warning: %s: %v", path, err)
		return nil, nil
	}
	return file.Vars, nil
}

// explain prints where the value of a variable comes from, all that set it.
func (a *app) explainValue(p *configPlan, name string) error {
	if p.rendered == nil {
		return withHint(fmt.Errorf("explaining %s: the image of %s is not here", name, p.inst.Name), "aztec-spartan pull %s", p.inst.Image)
	}
	origins := p.rendered.node.Explain(name)
	list := []explained{}
	for _, o := range origins {
		list = append(list, explained{Instance: p.inst.Name, Name: name, Value: o.Shown(), From: o.From()})
	}
	directive := profiles.ResourceDirective(name)
	if directive != "" {
		for _, set := range a.setByDropIns(p.rendered.unit, directive) {
			set.Instance, set.Name = p.inst.Name, name
			list = append(list, set)
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		list[i].Holds = true
		if directive != addsUp || list[i].Value == "" {
			break
		}
	}
	if a.json {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		a.print("%s: nothing sets %s%s", p.inst.Name, name, a.known(name))
		return nil
	}
	for i, e := range list {
		if e.Value == "" && directive != "" {
			e.Value = "(systemd's own default)" // what an empty directive goes back to
		}
		over := ""
		switch {
		case !e.Holds:
			over = ", which the next one overrides"
		case i < len(list)-1:
			over = ", to which the next one adds"
		}
		a.print("%s=%s: %s%s", e.Name, e.Value, e.From, over)
	}
	return nil
}

// known says what the catalog knows of a variable that nothing sets.
func (a *app) known(name string) string {
	catalog, err := a.catalog()
	if err != nil {
		return ""
	}
	v, ok := catalog.Variable(name)
	switch {
	case profiles.ResourceDirective(name) != "":
		return ": systemd's own default holds"
	case !ok:
		return ", and nothing is known of it"
	case v.Default != "":
		return fmt.Sprintf(": the node's own default is %s (%s)", v.Default, v.Description)
	}
	return fmt.Sprintf(" (%s)", v.Description)
}

// showOrigins prints all variables with where each comes from.
func (a *app) showOrigins(origins []profiles.Origin) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	holds := map[string]int{}
	for i, o := range origins {
		holds[o.Name] = i
	}
	for i, o := range origins {
		if holds[o.Name] == i {
			fmt.Fprintf(w, "# %s\t%s\n", o.Name, o.From())
		}
	}
	return w.Flush()
}
