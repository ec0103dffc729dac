#!/bin/sh
# SPDX-License-Identifier: MIT
# UBSAN reports undefined behaviour in Xen, the handlers included, on the
# console. Such a report fails the run.
exec "$(dirname "$0")/boot" ubsan
