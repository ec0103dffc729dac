#!/bin/sh
# SPDX-License-Identifier: MIT
# Every second mutant of mutants.sh.
HALF=1 exec "$(dirname "$0")/mutants.sh"
