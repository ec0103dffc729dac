#!/bin/sh
# SPDX-License-Identifier: MIT
# The mutants that mutants-one.sh leaves.
HALF=0 exec "$(dirname "$0")/mutants.sh"
