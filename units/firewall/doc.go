// Package firewall closes ports of nodes to other machines.
//
// A node binds its RPC and admin ports on every interface and has no option for another address. systemd cannot help:
// IPAddressDeny= knows addresses and no ports (systemd.resource-control(5)), and SocketBindDeny= would keep the node from binding. So
// there is a table of nftables, inet aztec_spartan, that this package makes whole and replaces in one transaction (nft(8), "-f"). It
// stands beside the tables of ufw, firewalld and operators, of which each has its own say: what one of them drops stays dropped, and
// what they accept is closed here all the same. P2P ports are not in it.
package firewall
