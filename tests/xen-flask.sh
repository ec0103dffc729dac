#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole suite under a label that is allowed what it needs, behind the tests in
# which it is not. Few of the suite's own need more than the label has.
exec "$(dirname "$0")/xen-boot" flask flask
