#!/bin/sh
# What is too long for CI: the real node for half an hour, the reset button in the
# middle of updates, a thousand generated images against other tools, and every
# fuzz target for an hour (FUZZTIME=1h). Results with their date go to packaging/soak.md.
set -eu
# What measures has the machine for itself.
measure='^TestSoak(Downtime|Overhead|Fifty)$'
go test -tags soak -run Soak -skip "$measure" -count=1 -timeout 6h -v ./cmd/aztec-spartan
go test -tags soak -run Soak -count=1 -timeout 15m -v ./packaging/handbook
go test -tags soak -run "$measure" -parallel 1 -count=1 -timeout 1h -v ./cmd/aztec-spartan
go test -tags oracle -run OracleGenerated -count=1 -timeout 1h -v ./extract -images 1000
packaging/scripts/fuzz.sh "${FUZZTIME:-1h}" ./...
