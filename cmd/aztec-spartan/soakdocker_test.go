//go:build soak

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// compose is a validator as upstream documents it, with the image's own entry
// point, since the stub's image has no shell. Its ports and data differ by test.
const compose = `services:
  validator:
    restart: unless-stopped
    image: %s:4.1.2
    command: start --node --archiver --sequencer
    environment:
      ETHEREUM_HOSTS: http://127.0.0.1:8545
      L1_CONSENSUS_HOST_URLS: http://127.0.0.1:5052
      VALIDATOR_PRIVATE_KEY: $VALIDATOR_PRIVATE_KEY
      REGISTRY_CONTRACT_ADDRESS: "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"
      P2P_ENABLED: "true"
      P2P_IP: 127.0.0.1
      DATA_DIRECTORY: /var/lib/aztec
      LOG_LEVEL: info
`

// The second and third account of every development chain: worth nothing.
const (
	dockerKey      = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	dockerAddress  = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	otherDockerKey = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
)

// Containers that docker compose made are taken over while they run, and put
// back: with the docker, the compose and the systemd of each release.
func TestSoakAdoptDocker(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "layout")
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: debPath(t), Settle: "5s", Layouts: []string{layout}, Docker: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			g := &guest{s, t}
			g.adoptHostNetwork()
			g.adoptPublished()
			g.adoptUnit()
		})
	}
}

// adoptHostNetwork: the container listens on the host itself, and its data are
// in a named volume. The host reboots in between.
func (g *guest) adoptHostNetwork() {
	g.t.Helper()
	const dir, data = "/srv/host", "/var/lib/docker/volumes/host_aztec_data/_data"
	g.compose(dir, dockerKey, "    network_mode: host\n    volumes: [aztec_data:/var/lib/aztec]\nvolumes: {aztec_data: }\n")
	g.sh("echo id >" + data + "/p2p-private-key")
	before := g.container(dir)

	out := g.sh("aztec-spartan adopt " + dir + " val1 --network local --dry-run")
	for _, want := range []string{before.Image + "@" + before.Digest, "(running)", dockerAddress, data + " is renamed to /var/lib/aztec/val1", "downtime: "} {
		if !strings.Contains(out, want) {
			g.t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	g.fails(exitUsage, "aztec-spartan adopt "+dir+" val1 --network local", "the container was not touched", "--yes")
	g.refused()
	if now := g.container(dir); !now.Running || now.started != before.started {
		g.t.Errorf("preparing touched the container: %+v, before %+v", now, before)
	}

	g.sh("aztec-spartan adopt " + dir + " val1 --network local --yes")
	g.until("curl -sf http://127.0.0.1:8080/status")
	s := g.status()
	if s.ActiveState != "active" || !s.Enabled || s.Reference != stage.Repository+"@"+before.Digest {
		g.t.Errorf("after the adoption: %+v", s)
	}
	if key := g.sh("cat /var/lib/aztec/val1/p2p-private-key && stat -c %U /var/lib/aztec/val1/p2p-private-key"); key != "id\naztec-val1" {
		g.t.Errorf("the key among its peers: %s", key)
	}
	if now := g.container(dir); now.Running || now.Restart != "no" {
		g.t.Errorf("the container: %+v", now)
	}
	// Not even by hand does it start without its data.
	g.fails(1, "docker start "+before.ID, "")
	if err := g.Reboot(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.until("systemctl is-active docker && curl -sf http://127.0.0.1:8080/status")
	if now := g.container(dir); now.Running || g.status().ActiveState != "active" {
		g.t.Errorf("after a reboot: container %+v, instance %s", now, g.status().ActiveState)
	}

	g.sh("aztec-spartan adopt --undo val1")
	g.until("curl -sf http://127.0.0.1:8080/status")
	if now := g.container(dir); !now.Running || now.ID != before.ID || now.Restart != before.Restart {
		g.t.Errorf("put back: %+v, want as before: %+v", now, before)
	}
	if s := g.status(); s.ActiveState != "inactive" || s.Enabled {
		g.t.Errorf("put back: the instance is %s, enabled %v", s.ActiveState, s.Enabled)
	}
	if key := g.sh("cat " + data + "/p2p-private-key && stat -c %U " + data); key != "id\nroot" {
		g.t.Errorf("the key among its peers, put back: %s", key)
	}
	g.refused()
	g.sh("aztec-spartan remove val1 --purge --yes")
	if now := g.container(dir); !now.Running || g.sh("cat "+data+"/p2p-private-key") != "id" {
		g.t.Errorf("removing what was put back: %+v", now)
	}
	g.sh("cd " + dir + " && docker-compose down 2>&1")
}

// refused: beside its container val1 is started by nobody.
func (g *guest) refused() {
	g.t.Helper()
	g.fails(exitFailed, "aztec-spartan start val1", "both would sign with one key")
	g.fails(1, "systemctl start "+val1, "Assertion failed")
	if out := g.try("systemctl status " + val1).Stdout; !strings.Contains(out, "does not start: its keys are in a container") {
		g.t.Errorf("systemctl status does not say why:\n%s", out)
	}
}

// adoptPublished: ports lead into the container, and its data are in a
// directory of the host. The admin port, which was the container's own, is taken
// on the host.
func (g *guest) adoptPublished() {
	g.t.Helper()
	const dir = "/srv/published"
	g.compose(dir, otherDockerKey, `    volumes: [/srv/data:/var/lib/aztec]
    ports: ["8080:8080", "40400:40400", "40400:40400/udp"]
`)
	g.sh("echo id >/srv/data/p2p-private-key")
	before := g.container(dir)
	other, err := g.Listen("tcp", "127.0.0.1:8880")
	if err != nil {
		g.t.Fatal(err)
	}
	defer other.Close()
	g.sh("aztec-spartan adopt " + dir + " val2 --network local --yes >/root/out 2>&1 || { cat /root/out; exit 1; }; grep 'admin port 8880 is taken .* 8881 is used' /root/out")
	g.until("curl -sf http://127.0.0.1:8080/status")
	if out := g.sh("grep -A3 '^.ports.' /etc/aztec-spartan/instances/val2/instance.toml && cat /var/lib/aztec/val2/p2p-private-key"); out != "[ports]\nrpc = 8080\nadmin = 8881\np2p = 40400\nid" {
		g.t.Errorf("ports and key: %s", out)
	}
	g.fails(1, "docker start "+before.ID, "")
	g.sh("aztec-spartan adopt --undo val2")
	g.until("curl -sf http://127.0.0.1:8080/status")
	if now := g.container(dir); !now.Running || now.ID != before.ID {
		g.t.Errorf("put back: %+v, want as before: %+v", now, before)
	}

	// A port of the host that somebody else has by now.
	g.sh("docker stop -t 10 " + before.ID)
	somebody, err := g.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		g.t.Fatal(err)
	}
	defer somebody.Close()
	g.fails(exitUsage, "aztec-spartan adopt "+dir+" val3 --network local --yes", "rpc port 8080: another program on this host listens there, and it is not the container")
	if r := g.try("ls /etc/aztec-spartan/instances/val3"); r.Code == 0 {
		g.t.Errorf("a refused adoption left %s", r.Stdout)
	}
}

// adoptUnit: the container is of a unit, with which it goes; the unit is put back
// as it was: running, and not at boot.
func (g *guest) adoptUnit() {
	g.t.Helper()
	const unit, dir = "/etc/systemd/system/aztec1.service", "/srv/unit"
	text := "[Service]\nExecStart=/usr/bin/docker run --rm --name aztec1 --network host -v " + dir + ":/var/lib/aztec"
	for _, v := range []string{
		"ETHEREUM_HOSTS=http://127.0.0.1:8545", "L1_CONSENSUS_HOST_URLS=http://127.0.0.1:5052", "VALIDATOR_PRIVATE_KEY=" + dockerKey, "REGISTRY_CONTRACT_ADDRESS=" + registryContract,
		"P2P_ENABLED=true", "P2P_IP=127.0.0.1", "DATA_DIRECTORY=/var/lib/aztec", "LOG_LEVEL=info",
	} {
		text += " -e " + v
	}
	text += " " + stage.Repository + ":4.1.2 start --node --archiver --sequencer\nExecStop=/usr/bin/docker stop aztec1\n[Install]\nWantedBy=multi-user.target\n"
	if err := g.Write(g.t.Context(), unit, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.sh("aztec-spartan remove val2 --purge --yes && mkdir -p " + dir + " && echo id >" + dir + "/p2p-private-key && systemctl daemon-reload")
	state := func() string {
		return g.try("systemctl is-active aztec1; systemctl is-enabled aztec1; docker ps -q --filter name=aztec1 | wc -l").Stdout
	}
	const answers = "curl -sf http://127.0.0.1:8080/status"
	g.sh("systemctl start aztec1")
	g.until(answers)
	before := state()
	g.sh("aztec-spartan adopt " + unit + " val1 --network local --yes")
	g.until(answers)
	if now := state(); strings.HasPrefix(now, "active") || !strings.HasSuffix(now, "disabled\n0\n") {
		g.t.Errorf("after the adoption unit and container are %s", now)
	}
	g.sh("aztec-spartan adopt --undo val1")
	g.until(answers)
	if now := state(); now != before {
		g.t.Errorf("after an undo it is %s, before %s", now, before)
	}
}

// compose starts a validator with docker compose.
func (g *guest) compose(dir, key, rest string) {
	g.t.Helper()
	for path, text := range map[string]string{
		dir + "/docker-compose.yml": fmt.Sprintf(compose, stage.Repository) + rest,
		dir + "/.env":               "VALIDATOR_PRIVATE_KEY=" + key + "\n",
	} {
		if err := g.Write(g.t.Context(), path, []byte(text), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	g.sh("cd " + dir + " && docker-compose up -d 2>&1")
	g.until("curl -sf http://127.0.0.1:8080/status")
}

// held is a container as docker has it, with the time of its start.
type held struct {
	docker.Container
	started string
}

// container is what docker says of the container of a directory.
func (g *guest) container(dir string) held {
	g.t.Helper()
	id := g.sh("docker ps --all --no-trunc --quiet --filter label=com.docker.compose.project=" + filepath.Base(dir))
	var list []struct {
		State struct {
			Running   bool
			StartedAt string
		}
		Config     struct{ Image string }
		HostConfig struct{ RestartPolicy struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(g.sh("docker inspect "+id)), &list); err != nil || len(list) != 1 {
		g.t.Fatalf("docker inspect: %d containers, %v", len(list), err)
	}
	_, digest, _ := strings.Cut(g.sh("docker inspect --format '{{index .RepoDigests 0}}' "+list[0].Config.Image), "@")
	c := docker.Container{ID: id, Image: stage.Repository, Digest: digest, Running: list[0].State.Running, Restart: list[0].HostConfig.RestartPolicy.Name}
	return held{c, list[0].State.StartedAt}
}
