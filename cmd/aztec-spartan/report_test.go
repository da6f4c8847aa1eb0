package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unpackReport returns the files of a report, and their names in order.
func unpackReport(t *testing.T, path string) (files map[string]string, order []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, order
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(h.Name)
		files[name], order = string(data), append(order, name)
	}
}

// Secrets are planted in every file that an operator could have put them into,
// and none is in the report.
func TestReportHasNoSecrets(t *testing.T) {
	root := doctorTree(t, fakeEthereum(t, 11155111))
	secret := func(what string) string { return "planted0secret0" + what }
	const otherKey = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var moved bytes.Buffer
	if code := run(t.Context(), []string{"config", "val1", "--no-pull", "--data-dir", "/srv/val1", "--root", root}, strings.NewReader(""), &moved, &moved); code != 0 {
		t.Fatalf("--data-dir: exit code %d: %s", code, moved.String())
	}
	dir, unit := "etc/aztec-spartan/instances/val1/", "aztec-sequencer@val1.service"
	toml := filepath.Join(root, dir, "instance.toml")
	settings, err := os.ReadFile(toml)
	if err != nil {
		t.Fatal(err)
	}
	write(dir+"instance.toml", string(settings)+"\n[env]\nAWS_SECRET_ACCESS_KEY = \""+secret("aws")+"\"\nP2P_MAX_PEERS = \"77\"\nETHEREUM_DEBUG_HOSTS = \"https://d.example/"+secret("debug")+"\"\n")
	write(dir+"local.env", "MY_TOKEN="+secret("local")+"\nL1_CONSENSUS_HOST_API_KEYS="+secret("beacon")+"\nLOG_JSON=true\n")
	write(dir+"keystore.json.old", `{"schemaVersion":1,"validators":[{"attester":"0x`+otherKey+`","remoteSigner":"https://u:`+secret("signer")+`@s.example"}]}`)
	write(dir+"secrets.env", "VALIDATOR_PRIVATE_KEY="+secret("env")+"\n")
	write(dir+"admin-api-key", secret("admin")+"\n")
	write("var/lib/aztec/val1/p2p-private-key", secret("p2p.before"))
	write("srv/val1/p2p-private-key", secret("p2p"))
	write("srv/val1/archiver/data.mdb", strings.Repeat("x", 10000))
	write("etc/aztec-spartan/registry-auth.json", `{"auths":{"r.example":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:"+secret("registry.pw")))+`"}}}`)
	write("etc/aztec-spartan/config.toml", "# "+secret("registry.pw")+" was noted here\n[registry]\nrepository = \"127.0.0.1:1/aztecprotocol/aztec\"\n[network]\nntp_servers = []\n"+
		"[notify]\ncommand = [\"/usr/bin/curl\", \"-H\", \"Authorization: "+secret("header")+"\"]\n")
	write("etc/systemd/system/"+unit, "[Unit]\nDescription=x\n[X-AztecSpartan]\nSchema=1\nInstance=val1\n")
	write("etc/systemd/system/"+unit+".d/override.conf", "[Service]\nEnvironment=A="+secret("first")+" \\\n  B="+secret("second")+" \"C=x "+secret("third")+"\"\nMemoryHigh=7G\nEnvironmentFile=-/etc/more.env\n")
	write("etc/systemd/system/aztec-sequencer@.service.d/all.conf", "[Service]\nSetCredential=a:"+secret("credential")+"\nNice=7\n")
	write("etc/more.env", "THEIRS=\""+secret("more")+"\"\nLOG_LEVEL=verbose\n")
	// What leaks anywhere: a roll's reason has all of them.
	all := []string{
		secret("aws"), secret("debug"), secret("local"), secret("beacon"), secret("signer"), secret("env"), secret("admin"), secret("p2p"), secret("p2p.before"),
		secret("registry.pw"), secret("header"), otherKey, someKey, "SECRETKEY",
		secret("first"), secret("second"), secret("third"), secret("credential"), secret("more"),
	}
	write("var/lib/aztec-spartan/instances/val1/state.json", `{"schema":1,"last_roll":{"kind":"update","from":"4.1.2","to":"4.1.3","result":"rolled-back","reason":"it said `+strings.Join(all, " ")+`"}}`)
	out := filepath.Join(t.TempDir(), "report.tar.gz")
	var said bytes.Buffer
	t.Setenv("SUDO_USER", "anna")
	if code := run(t.Context(), []string{"report", "val1", "--root", root, "-o", out}, strings.NewReader(""), &said, &said); code != 0 {
		t.Fatalf("exit code %d: %s", code, said.String())
	}
	files, order := unpackReport(t, out)
	for name, text := range files {
		for _, s := range all {
			if strings.Contains(text, s) {
				t.Errorf("%s is in %s", s, name)
			}
		}
	}
	if !strings.Contains(said.String(), ": sudo tar -xzOf "+out) { // the file is root's
		t.Errorf("anna cannot look into it: %s", said.String())
	}
	if strings.Contains(said.String(), "planted0") {
		t.Errorf("said: %s", said.String())
	}
	// What it has is listed first, on the screen and in the archive, and is there.
	if order[0] != "CONTENTS" || len(order) != 13 {
		t.Errorf("the order is %q", order)
	}
	for _, name := range order[1:] {
		if !strings.Contains(files["CONTENTS"], name+" ") || !strings.Contains(said.String(), name+" ") {
			t.Errorf("%s is not listed", name)
		}
	}
	for name, want := range map[string]string{
		"versions.txt": "image 127.0.0.1:1/aztecprotocol/aztec:4.1.2", "status.json": `"result": "rolled-back"`, "doctor.json": `"check": "beacon"`,
		"instance.toml": `P2P_MAX_PEERS = "77"`, "local.env": "LOG_JSON=true", "config.toml": "[registry]", "unit.service": "Instance=val1",
		"drop-ins.txt": "MemoryHigh=7G", "state.json": "rolled-back", "data.txt": "archiver",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, files[name])
		}
	}
	if fi, err := os.Stat(out); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	// Nothing is overwritten, and nothing is collected where secrets are not known.
	if code := run(t.Context(), []string{"report", "val1", "--root", root, "-o", out}, strings.NewReader(""), &said, &said); code != exitUsage {
		t.Errorf("a second report: exit code %d", code)
	}
	other := filepath.Join(t.TempDir(), "other.tar.gz")
	write(dir+"local.env", "MY_TOKEN="+secret("local")+"\nMORE=\xff\n")
	if code := run(t.Context(), []string{"report", "val1", "--root", root, "-o", other}, strings.NewReader(""), &said, &said); code == 0 || exists(other) || !strings.Contains(said.String(), "local.env: parsing environment, line 2") {
		t.Errorf("local.env cannot be read: exit code %d: %s", code, said.String())
	}
	// A host that lost the key of its encrypted files needs help most.
	write(dir+"local.env", "MY_TOKEN="+secret("local")+"\nL1_CONSENSUS_HOST_API_KEYS="+secret("beacon")+"\n")
	for _, file := range []string{"keystore.json.cred", "keystore.json.old.cred"} {
		write(dir+file, "sealed for another host")
	}
	said.Reset()
	if code := run(t.Context(), []string{"report", "val1", "--root", root, "-o", other}, strings.NewReader(""), &said, &said); code != 0 {
		t.Fatalf("keystores that cannot be decrypted: exit code %d: %s", code, said.String())
	}
	files, _ = unpackReport(t, other)
	for where, text := range map[string]string{"CONTENTS": files["CONTENTS"], "what it says": said.String()} {
		for _, want := range []string{"warning: reading the keystore of val1: ", "warning: reading keystore.json.old.cred of val1: ", "all that looks like a key is left out"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", where, want, text)
			}
		}
	}
	for name, text := range files {
		if strings.Contains(text, "planted0") {
			t.Errorf("%s has a secret that can be read", name)
		}
	}
}

// In a config.toml that is wrong nothing tells what is secret: it is left out,
// with the reason, and no error quotes it.
func TestReportWrongConfig(t *testing.T) {
	for name, notify := range map[string]string{
		"no URL":          `url = "hooks.example/services/SECRET-PATH"`,
		"not quoted":      `url = SECRETLETTERS`,
		"one word":        `command = ["curl -H Authorization:SECRET-HEADER"]`,
		"unknown setting": "command = [\"/bin/curl\", \n\"x = SECRET-HEADER\"]\nurls = 1",
		"no file":         `url_file = "hooks.example/SECRET-PATH"`,
	} {
		root := doctorTree(t, fakeEthereum(t, 11155111))
		config := filepath.Join(root, configFile)
		if err := os.WriteFile(config, []byte("[network]\nntp_servers = []\n[notify]\n"+notify+"\n[metrics]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "report.tar.gz")
		var said bytes.Buffer
		if code := run(t.Context(), []string{"report", "val1", "--root", root, "-o", out}, strings.NewReader(""), &said, &said); code != 0 {
			t.Fatalf("%s: exit code %d: %s", name, code, said.String())
		}
		files, _ := unpackReport(t, out)
		for file, text := range files {
			if strings.Contains(text, "SECRET") {
				t.Errorf("%s: %s has it:\n%s", name, file, text)
			}
		}
		if text := files["config.toml"]; !strings.Contains(text, "left out, as what of it is secret cannot be told: reading /etc/aztec-spartan/config.toml") {
			t.Errorf("%s: config.toml is %s", name, text)
		}
	}
}
