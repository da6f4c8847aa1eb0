#!/bin/sh
# The version of this checkout: 1.2.3 at its tag v1.2.3, 1.2.3+5.gabcdef012 five commits later, and without any tag
# 0.1.0~gitTIME.COMMIT. Each is newer than those before it, to dpkg and rpm too.
set -eu
if tag=$(git describe --tags --abbrev=9 --match 'v[0-9]*' 2>/dev/null); then
	echo "$tag" | sed -E 's/^v//; s/-([0-9]+)-(g[0-9a-f]+)$/+\1.\2/'
else
	TZ=UTC0 git -c core.abbrev=9 show -s --format=0.1.0~git%cd.%h --date=format-local:%Y%m%d%H%M%S HEAD 2>/dev/null || echo 0.1.0~git0
fi
