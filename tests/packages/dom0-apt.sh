#!/bin/sh
# SPDX-License-Identifier: MIT
# As dom0.sh, but apt installs the tools and the livepatch in the running dom0, and
# the time until the first faster call is told. TAP. Environment: top_srcdir,
# top_builddir. Needs root.
by_apt=yes
. "$(dirname "$0")/dom0.sh"
