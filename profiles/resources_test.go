package profiles

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a role has holds, unless the instance says something else.
func TestResources(t *testing.T) {
	inst := sequencer()
	for _, word := range []string{"cpu_weight=700", "memory_high=12GiB", "memory_max=none", "nice=-5", "allowed_cpus=0-3,8", "log_rate_interval=30s", "log_rate_burst=10000"} {
		if err := inst.SetResource(word); err != nil {
			t.Fatal(err)
		}
	}
	svc, err := BuiltIn().Render(inst, facts(t, "4.1.2"), HostFacts{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Limit{{"CPUWeight", "700"}, {"IOWeight", "500"}, {"MemoryHigh", "12G"}, {"MemoryMax", "infinity"}, {"Nice", "-5"}, {"OOMScoreAdjust", "-500"}, {"AllowedCPUs", "0-3,8"}, {"LogRateLimitIntervalSec", "30s"}, {"LogRateLimitBurst", "10000"}}
	if d := cmp.Diff(want, svc.Limits); d != "" {
		t.Error(d)
	}
	var from []string
	for _, o := range svc.Explain("cpu_weight") {
		from = append(from, o.Value+" "+o.From())
	}
	if d := cmp.Diff([]string{"500 role sequencer", "700 resources.cpu_weight of instance.toml"}, from); d != "" {
		t.Error(d)
	}
	for _, word := range []string{"cpu_weight=", "memory_high=", "memory_max=", "nice=", "allowed_cpus=", "log_rate_interval=", "log_rate_burst="} {
		if err := inst.SetResource(word); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(Resources{}, inst.Resources); d != "" {
		t.Errorf("what was taken back is still there: %s", d)
	}
}

// A copy of an instance that is changed does not change the original.
func TestSetResourceCopies(t *testing.T) {
	one := sequencer()
	if err := one.SetResource("nice=1"); err != nil {
		t.Fatal(err)
	}
	two := one
	if err := two.SetResource("nice=2"); err != nil || *one.Resources.Nice != 1 || *two.Resources.Nice != 2 {
		t.Errorf("%v, %d and %d", err, *one.Resources.Nice, *two.Resources.Nice)
	}
}

func TestSetResourceRefuses(t *testing.T) {
	for word, want := range map[string]string{
		"cpu_weight":             "KEY=VALUE",
		"cpu_weigth=1":           "did you mean cpu_weight?",
		"cpu_weight=0":           "resources.cpu_weight: 0 is not between 1 and 10000",
		"io_weight=10001":        "not between",
		"io_weight=x":            "not between",
		"nice=20":                "not between -20 and 19",
		"oom_score_adjust=-1001": "not between",
		"memory_high=12G":        `"12G" is not an amount such as`,
		"memory_high=0GiB":       "not an amount",
		"memory_max=0%":          "not an amount",
		"memory_max=101%":        "not an amount",
		"memory_max=1GiB\n":      "not an amount",
		"allowed_cpus=3-1":       "not a list of CPUs",
		"allowed_cpus=0,":        "not a list of CPUs",
		"allowed_cpus=8192":      "not a list of CPUs",
		"log_rate_interval=30":   `"30" is not a time such as`,
		"log_rate_interval=0s":   "not a time",
		"log_rate_burst=0":       "not between 1 and",
	} {
		inst := sequencer()
		err := inst.SetResource(word)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want %q", word, err, want)
		}
		if d := cmp.Diff(sequencer(), inst); d != "" {
			t.Errorf("%q changed the instance: %s", word, d)
		}
	}
}

// Bounds of an instance are judged with those of its role.
func TestResourcesTogether(t *testing.T) {
	inst := sequencer()
	inst.Resources = Resources{MemoryHigh: "2GiB", MemoryMax: "1024MiB"}
	if err := BuiltIn().Validate(inst); err == nil || !strings.Contains(err.Error(), "resources.memory_high: 2GiB is above memory_max, 1024MiB") {
		t.Errorf("%v", err)
	}
	inst.Resources = Resources{LogRateBurst: 100}
	if err := BuiltIn().Validate(inst); err == nil || !strings.Contains(err.Error(), "resources.log_rate_burst: it bounds nothing without log_rate_interval") {
		t.Errorf("a burst alone: %v", err)
	}
	inst.Resources = Resources{CPUWeight: -1}
	if err := BuiltIn().Validate(inst); err == nil || !strings.Contains(err.Error(), "resources.cpu_weight: -1 is not between") {
		t.Errorf("%v", err)
	}
}

// An agent talks to its broker and to whom it was told; the others to anybody.
func TestEgress(t *testing.T) {
	agent := Instance{
		Schema: Schema, Name: "agent1", Role: "prover-agent", Network: "local", Image: "r/a:4.1.2", Ports: Ports{RPC: 8082},
		Prover: Prover{Broker: "http://10.0.0.2:8081"}, Allow: []string{"10.9.0.0/16"},
	}
	for _, c := range []struct {
		egress, want string
	}{
		{"", ""},
		{"broker", "10.0.0.2 10.9.0.0/16"},
		{"crs.example 192.0.2.0/24 broker", "10.0.0.2 crs.example 192.0.2.0/24 10.9.0.0/16"},
		{"10.0.0.2", "10.0.0.2 10.9.0.0/16"},
	} {
		agent.Egress = strings.Fields(c.egress)
		svc, err := BuiltIn().Render(agent, facts(t, "4.1.2"), HostFacts{})
		if err != nil || strings.Join(svc.Egress, " ") != c.want {
			t.Errorf("%s: %q, %v, want %q", c.egress, svc.Egress, err, c.want)
		}
	}
	for _, bad := range []string{"any", "10.0.0.1/8", "a b", ""} {
		agent.Egress = []string{bad}
		if err := BuiltIn().Validate(agent); err == nil || !strings.Contains(err.Error(), "egress: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	inst := sequencer()
	inst.Egress = []string{"10.0.0.1"}
	if err := BuiltIn().Validate(inst); err == nil || !strings.Contains(err.Error(), "egress: is for prover agents") {
		t.Errorf("%v", err)
	}
}
