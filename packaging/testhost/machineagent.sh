#!/bin/bash
# Runs scripts that come by a port of the virtual machine, one line each, in
# base64. Answers with exit code, standard output and standard error.
exec 3<>/dev/virtio-ports/testhost
echo ready >&3
while read -r line <&3; do
	base64 -d <<<"$line" >/run/testhost.script
	bash /run/testhost.script </dev/null >/run/testhost.out 2>/run/testhost.err 3>&-
	echo "$? $(base64 -w0 </run/testhost.out). $(base64 -w0 </run/testhost.err)." >&3
done
