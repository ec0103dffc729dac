# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# TAP output of tests in shell, which source this file first:
#
#   . "$(dirname "$0")/../common/tap.sh"
#   temporary_folder
#   needs spin
#   some command >"$tmp/log" 2>&1
#   verdict "what holds if the command succeeds" "$tmp/log"
#   tap_done
#
# It sets top_srcdir unless the makefile has. Only these functions print results.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
tap_number=0 tap_failed=0

tap_line() { printf '%s\n' "$*"; }

ok() { # what holds
	tap_number=$((tap_number + 1))
	tap_line "ok $tap_number - $1"
}

# Comments on the failure: a file's last lines, or a text.
not_ok() { # what does not hold [file or text...]
	tap_number=$((tap_number + 1)) tap_failed=$((tap_failed + 1))
	tap_line "not ok $tap_number - $1"
	shift
	for tap_why; do
		if [ -f "$tap_why" ]; then
			tail -n 30 "$tap_why"
		else
			echo "$tap_why"
		fi | sed 's/^/# /'
	done
}

# The result of the last command before it.
verdict() { # what holds [file or text...]
	if [ $? -eq 0 ]; then ok "$1"; else not_ok "$@"; fi
}

# The result of the command that it is given.
holds() { # what holds, command...
	tap_what=$1
	shift
	if "$@"; then ok "$tap_what"; else not_ok "$tap_what"; fi
}

skip() { # what was not tested, why
	ok "$1 # SKIP $2"
}

skip_all() { # why
	tap_line "1..0 # SKIP $*"
	exit 0
}

needs() { # tool...
	for tap_tool; do
		command -v "$tap_tool" >/dev/null ||
			skip_all "$tap_tool is not installed"
	done
}

# The test itself does not work.
bail_out() { # why
	tap_line "Bail out! $*"
	exit 1
}

# Prints the plan, and ends with 0 if no test failed.
tap_done() {
	[ "$tap_number" -gt 0 ] || bail_out "no test ran"
	tap_line "1..$tap_number"
	exit $((tap_failed != 0))
}

# Sets tmp to a folder that is removed at the end.
temporary_folder() {
	tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT || exit 99
}
