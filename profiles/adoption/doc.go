// Package adoption reads how others run an Aztec node with docker, so that the
// node can be taken over: the directory of aztec-spartan.sh or
// aztec-sequencer.sh, a compose file like upstream's or EthPillar's, and a
// systemd unit around docker.
//
// It knows as much of compose, of .env files and of docker's command line as
// decides what the node runs with, and warns of what it passes over. It only
// reads, out of an fs.FS that is the host's root, and what it returns is a Plan:
// the settings of an instance, and where keys and data are. Nothing of what it
// reads is trusted, and no error or warning holds the value of a variable.
package adoption
