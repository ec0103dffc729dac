#!/bin/sh
# SPDX-License-Identifier: MIT
# decode.sh with 10^8 cases. An interrupted run continues.
exec "$(dirname "$0")/decode.sh" long
