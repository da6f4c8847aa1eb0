#!/bin/sh
# Signed repositories of the packages in DIST: repo.sh KEY URL DIST REPO. KEY is what gpg --local-user takes, URL is where a web
# server, any, offers REPO. What REPO has from earlier calls stays in it:
#   apt/                  deb [signed-by=/usr/share/keyrings/aztec-spartan.asc] URL/apt stable main
#   rpm/                  what aztec-spartan.repo tells dnf
#   aztec-spartan.asc     the public key
set -eu
key=$1 url=${2%/} dist=$3 repo=$4
[ -n "$key" ] || { echo "KEY= says which key signs: make repo KEY=you@example.com URL=http://packages.example" >&2; exit 2; }
case $url in
http://?* | https://?*) ;;
*) echo "URL= says where hosts find the repositories: make repo KEY=$key URL=http://packages.example" >&2; exit 2 ;;
esac
for tool in apt-ftparchive:apt-utils gpg:gnupg rpmsign:rpm createrepo_c:createrepo-c; do
	command -v "${tool%:*}" >/dev/null || { echo "no ${tool%:*}: apt-get install ${tool#*:}" >&2; exit 1; }
done
sign() { gpg --batch --yes --quiet --local-user "$key" "$@"; }

mkdir -p "$repo/apt/pool" "$repo/rpm"
gpg --batch --yes --quiet --armor --output "$repo/aztec-spartan.asc" --export "$key"
for deb in "$dist"/aztec-spartan_*.deb; do
	[ -e "$deb" ] || continue
	name=$(dpkg-deb -f "$deb" Package)_$(dpkg-deb -f "$deb" Version)_$(dpkg-deb -f "$deb" Architecture).deb
	install -m 644 "$deb" "$repo/apt/pool/$name"
done
for rpm in "$dist"/aztec-spartan_*.rpm; do
	[ -e "$rpm" ] || continue
	arch=$(rpm -qp --qf '%{ARCH}' "$rpm")
	mkdir -p "$repo/rpm/$arch"
	to=$repo/rpm/$arch/$(rpm -qp --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' "$rpm")
	install -m 644 "$rpm" "$to"
	rpmsign --define "_gpg_name $key" --define "__gpg $(command -v gpg)" --addsign "$to" >/dev/null
done

cd "$repo/apt"
rm -rf dists.new
for arch in amd64 arm64; do
	dir=dists/stable/main/binary-$arch
	mkdir -p "dists.new/stable/main/binary-$arch"
	apt-ftparchive --arch "$arch" packages pool >"dists.new/${dir#dists/}/Packages"
	gzip -9nk "dists.new/${dir#dists/}/Packages"
done
(
	cd dists.new/stable
	apt-ftparchive -o APT::FTPArchive::Release::Origin=aztec-spartan -o APT::FTPArchive::Release::Label=aztec-spartan \
		-o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
		-o APT::FTPArchive::Release::Architectures="amd64 arm64" -o APT::FTPArchive::Release::Components=main release . >../Release
	mv ../Release Release
	sign --clearsign --output InRelease Release
	sign --armor --detach-sign --output Release.gpg Release
)
rm -rf dists
mv dists.new dists
cd ../rpm
for arch in *; do
	[ -d "$arch" ] || continue
	createrepo_c --quiet "$arch"
	sign --armor --detach-sign --output "$arch/repodata/repomd.xml.asc" "$arch/repodata/repomd.xml"
done
cat >../aztec-spartan.repo <<END
[aztec-spartan]
name=aztec-spartan
baseurl=$url/rpm/\$basearch
gpgkey=$url/aztec-spartan.asc
gpgcheck=1
repo_gpgcheck=1
END
