#!/bin/sh
# SPDX-License-Identifier: MIT
# As dom0.sh, with Debian 13, its Xen 4.20 and its Linux 6.12. There is no payload for
# that Xen as long as Debian's archive does not serve its source. TAP. Environment:
# top_srcdir, top_builddir. Needs root.
debian=13 xen=4.20
. "$(dirname "$0")/dom0.sh"
