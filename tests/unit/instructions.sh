#!/bin/sh
# SPDX-License-Identifier: MIT
# How many instructions the hot paths execute, counted by callgrind (package
# valgrind), which must stay within the limits. TAP; 1..0 # SKIP without it.
#
# usage: instructions.sh PROGRAM    (tests/unit/instructions.c and the library,
#                                    compiled with -O2)
set -u
. "$(dirname "$0")/../common/tap.sh"
program=${1:-./instructions}

needs valgrind
temporary_folder

# Instructions of "$2" repetitions of loop "$1".
instructions() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$program" "$1" "$2" >"$tmp/log" 2>&1 || {
		echo "Bail out! $program $1 $2 failed" >&2
		cat "$tmp/log" >&2
		exit 99
	}
	sed -n 's/.*Collected : \([0-9]*\)$/\1/p' "$tmp/log"
}

# Hundredths of an instruction that one repetition costs.
each() {
	few=$(instructions "$1" 100) || exit 99
	many=$(instructions "$1" 500) || exit 99
	echo $(((many - few) * 100 / 400))
}

# check NAME BAR GUARD OPERATION: NAME, what OPERATION costs beyond an empty
# call. BAR is what the project wants, GUARD what it has reached: beyond BAR is
# told, beyond GUARD is a failure.
check() {
	cost=$(($(each "$4") - base))
	line="$1: $((cost / 100)).$((cost % 100)) instructions"
	if [ "$cost" -le 0 ] || [ "$cost" -gt $((100 * $3)) ]; then
		not_ok "$line, at most $3 allowed"
	elif [ "$cost" -gt $((100 * $2)) ]; then
		ok "$line, at most $3 allowed; the bar of $2 is missed"
	else
		ok "$line, at most $2 wanted"
	fi
}

base=$(each empty) || exit 99
check "one more slot merges" 12 12 merge_one
check "a run of a length not known to the compiler merges" 12 15 merge
check "a new record is queued" 30 35 record # 33 by gcc, 35 by clang

# Single entries: from the library's function to the hypercall and back. The
# figures are those of gcc and clang.
check "flags of one slot" 40 65 flags # 61, 65
check "flags of one slot with an INVLPG" 94 82 flags_page # 80, 82
check "a clear of one slot" 67 69 clear # 64, 69
check "a clear of one slot with an INVLPG" 94 88 clear_page # 85, 88
check "a get-and-clear of one slot" 67 72 take # 66, 72
check "a get-and-clear of one slot with an INVLPG" 94 91 take_page # 84, 91
check "one value" 67 50 set # 49, 50
check "one value with an INVLPG" 94 67 set_page # 67, 67
tap_done
