package profiles

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Resources are an instance's share of its host, and the bounds of it
// (systemd.resource-control(5), systemd.exec(5)). What is not set, systemd's
// default holds for. A role has some, and those of an instance win.
type Resources struct {
	CPUWeight      int    `toml:"cpu_weight,omitzero"` // 1 to 10000, among the instances of its slice
	IOWeight       int    `toml:"io_weight,omitzero"`
	MemoryHigh     string `toml:"memory_high,omitempty"` // above it is slowed down: 12GiB, 80%, none
	MemoryMax      string `toml:"memory_max,omitempty"`  // above it is killed, and started again
	Nice           *int   `toml:"nice,omitempty"`        // -20 to 19
	OOMScoreAdjust *int   `toml:"oom_score_adjust,omitempty"`
	AllowedCPUs    string `toml:"allowed_cpus,omitempty"` // 0-3,8
	// What the journal takes: more than so many lines in an interval are dropped,
	// and counted there. Without an interval none are.
	LogRateInterval string `toml:"log_rate_interval,omitempty"` // 30s
	LogRateBurst    int    `toml:"log_rate_burst,omitzero"`     // lines; systemd's default is journald.conf's
}

// unlimited lifts a bound that the role has.
const unlimited = "none"

// resource is one key of Resources.
type resource struct {
	key       string
	directive string // of a unit file
	text      func(*Resources) string
	set       func(*Resources, string) error
	check     func(string) error
}

// resources are all keys, in the order of unit files.
func resources() []resource {
	number := func(key, directive string, field func(*Resources) *int, low, high int) resource {
		return resource{
			key, directive,
			func(r *Resources) string {
				if n := *field(r); n != 0 {
					return strconv.Itoa(n)
				}
				return ""
			},
			func(r *Resources, s string) (err error) { *field(r), err = wholeNumber(s); return err },
			between(low, high),
		}
	}
	optional := func(key, directive string, field func(*Resources) **int, low, high int) resource {
		return resource{
			key, directive,
			func(r *Resources) string {
				if n := *field(r); n != nil {
					return strconv.Itoa(*n)
				}
				return ""
			},
			func(r *Resources, s string) error {
				if *field(r) = nil; s == "" {
					return nil
				}
				n, err := wholeNumber(s)
				*field(r) = &n
				return err
			},
			between(low, high),
		}
	}
	text := func(key, directive string, field func(*Resources) *string, check func(string) error) resource {
		return resource{key, directive, func(r *Resources) string { return *field(r) }, func(r *Resources, s string) error { *field(r) = s; return nil }, check}
	}
	return []resource{
		number("cpu_weight", "CPUWeight", func(r *Resources) *int { return &r.CPUWeight }, 1, 10000),
		number("io_weight", "IOWeight", func(r *Resources) *int { return &r.IOWeight }, 1, 10000),
		text("memory_high", "MemoryHigh", func(r *Resources) *string { return &r.MemoryHigh }, checkMemory),
		text("memory_max", "MemoryMax", func(r *Resources) *string { return &r.MemoryMax }, checkMemory),
		optional("nice", "Nice", func(r *Resources) **int { return &r.Nice }, -20, 19),
		optional("oom_score_adjust", "OOMScoreAdjust", func(r *Resources) **int { return &r.OOMScoreAdjust }, -1000, 1000),
		text("allowed_cpus", "AllowedCPUs", func(r *Resources) *string { return &r.AllowedCPUs }, checkCPUs),
		text("log_rate_interval", "LogRateLimitIntervalSec", func(r *Resources) *string { return &r.LogRateInterval }, checkInterval),
		number("log_rate_burst", "LogRateLimitBurst", func(r *Resources) *int { return &r.LogRateBurst }, 1, 10_000_000),
	}
}

func wholeNumber(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", clip(s))
	}
	return n, nil
}

func between(low, high int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < low || n > high {
			return fmt.Errorf("%s is not between %d and %d", clip(s), low, high)
		}
		return nil
	}
}

// memoryForm is a number of bytes or a share of the host's.
var memoryForm = regexp.MustCompile(`^([1-9][0-9]{0,6}(MiB|GiB|TiB)|[1-9][0-9]?%|100%)$`)

func checkMemory(s string) error {
	if s != unlimited && !memoryForm.MatchString(s) {
		return fmt.Errorf("%q is not an amount such as 512MiB, 12GiB or 80%%, or %s", clip(s), unlimited)
	}
	return nil
}

// memoryBytes is the size of an amount; ok is false for shares and none.
func memoryBytes(s string) (bytes uint64, ok bool) {
	for shift, unit := range map[uint]string{20: "MiB", 30: "GiB", 40: "TiB"} {
		if digits, found := strings.CutSuffix(s, unit); found {
			n, err := strconv.ParseUint(digits, 10, 24)
			return n << shift, err == nil
		}
	}
	return 0, false
}

// intervalForm is a time that systemd reads in the same way.
var intervalForm = regexp.MustCompile(`^[1-9][0-9]{0,5}(ms|s|min|h)$`)

func checkInterval(s string) error {
	if !intervalForm.MatchString(s) {
		return fmt.Errorf("%q is not a time such as 500ms, 30s or 5min", clip(s))
	}
	return nil
}

// maxCPU is the highest number of a CPU that Linux can have.
const maxCPU = 8191

func checkCPUs(s string) error {
	bad := fmt.Errorf("%q is not a list of CPUs such as 0-3,8", clip(s))
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		low, err := strconv.ParseUint(first, 10, 16)
		high := low
		if isRange && err == nil {
			high, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || high < low || high > maxCPU {
			return bad
		}
	}
	return nil
}

// check finds the first thing that is wrong.
func (r *Resources) check() error {
	for _, k := range resources() {
		if s := k.text(r); s != "" {
			if err := at("resources."+k.key, k.check(s)); err != nil {
				return err
			}
		}
	}
	if r.LogRateBurst != 0 && r.LogRateInterval == "" {
		return at("resources.log_rate_burst", errors.New("it bounds nothing without log_rate_interval"))
	}
	high, ok1 := memoryBytes(r.MemoryHigh)
	most, ok2 := memoryBytes(r.MemoryMax)
	if ok1 && ok2 && high > most {
		return at("resources.memory_high", fmt.Errorf("%s is above memory_max, %s", r.MemoryHigh, r.MemoryMax))
	}
	return nil
}

// Set changes one key, by its name; an empty value takes it back.
func (r *Resources) Set(key, value string) error {
	var known []string
	for _, k := range resources() {
		if known = append(known, k.key); k.key != key {
			continue
		}
		if value != "" {
			if err := k.check(value); err != nil {
				return err
			}
		}
		return k.set(r, value)
	}
	return unknown("resource", clip(key), known)
}

// ResourceDirective is what sets a key of [resources] in a unit file, "" for a word
// that is none.
func ResourceDirective(key string) string {
	for _, k := range resources() {
		if k.key == key {
			return k.directive
		}
	}
	return ""
}

// clone shares nothing with the original.
func (r Resources) clone() Resources {
	r.Nice, r.OOMScoreAdjust = copied(r.Nice), copied(r.OOMScoreAdjust)
	return r
}

// Limit is a line of a unit file that says what an instance may use.
type Limit struct{ Directive, Value string }

// resources are what holds for an instance of the role.
func (r Role) resources(own Resources) (Resources, error) {
	if err := own.check(); err != nil {
		return own, err
	}
	both := r.Resources.clone()
	for _, k := range resources() {
		if s := k.text(&own); s != "" {
			if err := k.set(&both, s); err != nil {
				return own, at("resources."+k.key, err)
			}
		}
	}
	return both, both.check()
}

// limits are the lines of the unit, and where each comes from.
func (r *renderer) limits() error {
	both, err := r.role.resources(r.inst.Resources)
	if err != nil {
		return err
	}
	for _, k := range resources() {
		if s := k.text(&r.role.Resources); s != "" {
			r.origin(Origin{Name: k.key, Value: s, Source: FromRole, Key: r.role.Name})
		}
		if s := k.text(&r.inst.Resources); s != "" {
			r.origin(Origin{Name: k.key, Value: s, Source: FromSetting, Key: "resources." + k.key})
		}
		if s := k.text(&both); s != "" {
			r.svc.Limits = append(r.svc.Limits, Limit{k.directive, asDirective(s)})
		}
	}
	return nil
}

// asDirective is a value as systemd writes it: its K, M, G and T are powers of
// 1024 (systemd.resource-control(5)).
func asDirective(s string) string {
	if s == unlimited {
		return "infinity"
	}
	return strings.TrimSuffix(s, "iB")
}

var errNotResource = errors.New("--resource wants KEY=VALUE")

// SetResource changes what a word KEY=VALUE says; KEY= takes it back.
func (i *Instance) SetResource(word string) error {
	key, value, ok := strings.Cut(word, "=")
	if !ok {
		return errNotResource
	}
	own := i.Resources.clone() // the caller's copy stays as it is
	if err := own.Set(key, value); err != nil {
		return &FieldError{"resources." + clip(key), err}
	}
	i.Resources = own
	return nil
}
