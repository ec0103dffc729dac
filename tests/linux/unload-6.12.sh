#!/bin/sh
# SPDX-License-Identifier: MIT
# Loads and unloads the module under load. The vCPUs take turns as in
# linux-unload.sh.
set -- 6.12 release on test-module+load:10 --smp 2 --one-thread --timeout 1800
. "$(dirname "$0")/boot"
