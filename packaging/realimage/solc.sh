#!/bin/sh
# forge asks its compiler for a version and for nothing else, since the npm
# package ships what was compiled; a real one would have to be downloaded.
case " $* " in
*" --version "*) printf 'solc, the solidity compiler commandline interface\nVersion: 0.8.30+commit.73712a01.Linux.g++\n' ;;
*) echo 'no compiler here' >&2; exit 1 ;;
esac
