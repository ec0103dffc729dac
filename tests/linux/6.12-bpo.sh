#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian 13's kernel, backported to Debian 12.
set -- 6.12-bpo release on test:mprotect+stress:5 --smp 2 --timeout 1800
. "$(dirname "$0")/boot"
