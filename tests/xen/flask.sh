#!/bin/sh
# SPDX-License-Identifier: MIT
# With XSM and FLASK: a label that is allowed to map, and one that is not, for
# the domain's own pages and another domain's, in its own tables and in the
# other's.
exec "$(dirname "$0")/boot" flask policy "flask"
