# A service with the means that our units use, in a root file system of its own.
set -e
root=/srv/rootfs
mkdir -p $root/usr $root/var/lib $root/proc $root/sys $root/dev $root/tmp $root/run $root/etc
for l in bin lib lib64 sbin; do ln -s usr/$l $root/$l; done
touch $root/etc/passwd $root/etc/group
useradd --system aztec-test
install -m 600 /dev/stdin /etc/secret <<<hush
cat >/etc/systemd/system/sandbox.service <<'UNIT'
[Service]
Type=oneshot
User=aztec-test
RootDirectory=/srv/rootfs
BindReadOnlyPaths=/usr
MountAPIVFS=yes
PrivateUsers=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectSystem=strict
NoNewPrivileges=yes
RestrictNamespaces=yes
TemporaryFileSystem=/var/lib:ro
StateDirectory=sandbox
LoadCredential=key:/etc/secret
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
ExecStart=/bin/bash /var/lib/sandbox/probe
UNIT
mkdir -p /var/lib/sandbox
cat >/var/lib/sandbox/probe <<'PROBE'
cd "$STATE_DIRECTORY" || exit 1
exec >out
echo "credential $(cat "$CREDENTIALS_DIRECTORY/key")"
echo "user $([ "$(id -u)" != 0 ] && echo other)"
[ "$(wc -l </proc/self/uid_map)" = 2 ] && echo "own user namespace"
echo 2>/dev/null x >/x || echo "read-only root"
unshare --user true 2>/dev/null || echo "no namespaces"
unshare --uts true 2>/dev/null || echo "no privileged calls"
[ -d /proc/1 ] || echo "processes hidden"
[ -e /srv/rootfs ] || echo "host hidden"
PROBE
chown aztec-test /var/lib/sandbox
systemctl daemon-reload
systemctl start sandbox.service
cat /var/lib/sandbox/out
