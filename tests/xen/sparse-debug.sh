#!/bin/sh
# SPDX-License-Identifier: MIT
# The same where tables are not mapped by the direct map, and with assertions.
exec "$(dirname "$0")/sparse.sh" debug
