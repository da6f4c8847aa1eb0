//go:build vm

package main

// powerCuts: after config, stop and start, there is nothing that a power cut
// takes back. One time the machine comes back without its TPM.
func (m *machine) powerCuts() {
	m.sh("aztec-spartan config agent1 --resource cpu_weight=19 && aztec-spartan stop agent1")
	m.cut()
	if s := m.status("agent1"); s.Enabled || s.ActiveState != "inactive" {
		m.t.Errorf("stopped, and after a power cut: %+v", s)
	}
	m.sh("grep -q '^CPUWeight=19$' /etc/systemd/system/" + vmAgent)
	m.sh("aztec-spartan start agent1")
	m.cut("tpm")
	if s := m.status("agent1"); !s.Enabled {
		m.t.Errorf("started, and after a power cut: %+v", s)
	}
	m.withoutTPM()
}

// cut takes the power away, and gives it back, but to the parts that are named.
func (m *machine) cut(without ...string) {
	m.t.Helper()
	if err := m.Cut(); err != nil {
		m.t.Fatal(err)
	}
	m.on(without...)
}
