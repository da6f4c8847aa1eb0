#!/bin/sh
# A release in DIST/release: release.sh VERSION DIST. From a clean tree only, whose CHANGELOG.md says what is in VERSION.
set -eu
version=$1 dist=$2
echo "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?' || { echo "VERSION= is missing or not like 1.2.3 or 1.2.3-rc.1" >&2; exit 2; }
changes=$(git status --porcelain)
[ -z "$changes" ] || { echo "the tree has changes that no commit has:" >&2; echo "$changes" >&2; exit 1; }
commit=$(git rev-parse HEAD)
tagged=$(git rev-parse -q --verify "refs/tags/v$version^{commit}" || true)
[ -z "$tagged" ] || [ "$tagged" = "$commit" ] || { echo "v$version is another commit: $tagged" >&2; exit 1; }
SOURCE_DATE_EPOCH=$(git show -s --format=%ct HEAD)
export SOURCE_DATE_EPOCH
go run ./packaging/changelog -version "$version" -release CHANGELOG.md >/dev/null

out=$dist/release
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
rm -rf "$out"
mkdir -p "$out"
for arch in amd64 arm64; do
	make --no-print-directory package ARCH="$arch" VERSION="$version"
	cp "$dist/aztec-spartan_$arch.deb" "$out/aztec-spartan_$version-1_$arch.deb"
	case $arch in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
	cp "$dist/aztec-spartan_$arch.rpm" "$out/aztec-spartan-$version-1.$machine.rpm"
	# What is in the program, by what its build took.
	GOARCH='' go run "$sbom" bin -json -notimestamp -noserial -version "$version" -output "$out/aztec-spartan_${version}_$arch.cdx.json" "$dist/aztec-spartan-$arch"
done
cat >"$out/PROVENANCE.txt" <<END
aztec-spartan $version
source        commit $commit, tree $(git rev-parse 'HEAD^{tree}')${tagged:+, tag v$version}
time          SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH ($(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)), the time of the commit
built with    $(go version | cut -d ' ' -f 3), CGO_ENABLED=0, -trimpath; $(echo "$NFPM" | grep -o 'nfpm@.*'); $(basename "$sbom")
modules       go.sum, sha256 $(sha256sum go.sum | cut -d ' ' -f 1)
to reproduce  git checkout $commit && make release VERSION=$version && cat dist/release/SHA256SUMS
The same commit, version of Go and VERSION give the same bytes on any machine.
END
(cd "$out" && sha256sum -- *.deb *.rpm *.json PROVENANCE.txt >SHA256SUMS)
cat "$out/SHA256SUMS"
