//go:build booted

package main

import (
	"net/http"
	"strings"
	"time"
)

const hookAddress = "127.0.0.1:5002"

// inbox is a webhook that hosts find at hookAddress. One that boots takes a new
// one.
func (g *guest) inbox() *inbox {
	g.t.Helper()
	l, err := g.Listen("tcp", hookAddress)
	if err != nil {
		g.t.Fatal(err)
	}
	box := &inbox{}
	server := &http.Server{Handler: box, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	g.t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return box
}

// hook makes the host tell a webhook what happens, whatever it is told.
func (g *guest) hook() *inbox {
	g.t.Helper()
	box, url := g.inbox(), "http://"+hookAddress+"/hook"
	if strings.HasSuffix(g.t.Name(), "/trixie") { // one by the library
		url = "ntfy://" + hookAddress + "/hook?scheme=http"
	}
	g.sh(`sed -i 's|^url = ""|url = "` + url + `"|; s|^format = ""|format = "ntfy"|; s|^unhealthy_after = .*|unhealthy_after = "1ms"|' /etc/aztec-spartan/config.toml
		aztec-spartan notify --test`)
	return box
}

// told waits until an event has arrived, and looks that it did once.
func (g *guest) told(box *inbox, words ...string) {
	g.t.Helper()
	for _, w := range words {
		count := func() (n int) {
			for _, m := range box.messages() {
				if strings.Contains(m, w) {
					n++
				}
			}
			return n
		}
		// A roll has its outcome before it tells it.
		g.until("test -z \"$(systemctl list-units --plain --no-legend --state=activating 'aztec-roll@*')\"" +
			" && ! systemctl is-active aztec-notify.service && test -z \"$(ls /var/lib/aztec-spartan/notify/*.json 2>/dev/null)\"")
		if n := count(); n != 1 {
			g.t.Errorf("%q was told %d times:\n%s", w, n, strings.Join(box.messages(), "\n"))
		}
	}
}

// watched has the node be away and come back, as the looks of every minute see
// it.
func (g *guest) watched(box *inbox) {
	g.t.Helper()
	g.sh("aztec-spartan notify enable && systemctl is-enabled aztec-watch.timer && systemctl stop aztec-watch.timer")
	look := "systemctl start aztec-watch.service && "
	g.sh(look + "systemctl stop " + val1 + " && " + look + look + look + "true")
	g.told(box, "val1] down: ")
	g.sh("systemctl start " + val1)
	g.until("aztec-spartan probe val1")
	g.sh(`sed -i 's|^textfile = ""|textfile = "/srv"|' /etc/aztec-spartan/config.toml && ` + look + look + "true")
	g.sh(`grep -q '^aztec_instance_health{instance_name="val1",role="sequencer",network="local",health="healthy"} 1$' /srv/aztec_spartan.prom && aztec-spartan metrics | grep -q '^aztec_node_block{instance_name="val1"'`)
	g.told(box, "val1] recovered: the node runs again")
	g.sh("aztec-spartan notify disable && ! systemctl is-enabled aztec-watch.timer")
}
