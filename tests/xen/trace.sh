#!/bin/sh
# SPDX-License-Identifier: MIT
# The same random sequence of Xen's own calls gives the same results, done
# counts and entries on stock Xen as on a patched Xen with all of its parts on,
# with all of them off, and with parts turned off and on meanwhile; the same
# with assertions, and where the parts are preempted at each entry. So whatever
# the patched Xen does for a guest, it is compared with code of which no line
# is its own. For a difference, the first operation that differs is shown. TAP.
# Environment: top_srcdir, top_builddir, TRACE_OPERATIONS, TRACE_SEED.
set -u
. "$(dirname "$0")/../common/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
temporary_folder
nr=${TRACE_OPERATIONS:-12000} seed=${TRACE_SEED:-1}

run() { # file for the lines about the trace, variant, Xen's option, words
	file=$1 variant=$2 option=$3 words_given=$4
	xen=$("$top_srcdir/tools/xen-image" "$variant") || return
	"$top_srcdir/tests/xen/run" --xen "$xen/xen" --timeout 900 \
		--kernel "$top_builddir/minikernel/minikernel" \
		--append "$words_given" --log "$top_builddir/tests/xen/trace-$variant.console" \
		--xen-append "guest_loglvl=none $option" >"$tmp/tap"
	status=$?
	grep -a '^# ' "$tmp/tap" >"$file"
	[ $status -eq 0 ] && return
	cat "$tmp/tap" >"$tmp/why"
	return $status
}

# The first operation of the epoch in which two files differ, as both Xens do it
show_difference() { # file file variant option word
	from=$(diff "$1" "$2" | sed -n 's/^< # trace: seed .* up to \([0-9]*\):.*/\1/p' |
		head -n 1)
	[ -n "$from" ] || { diff "$1" "$2" | head; return; }
	words="trace=500 skip=$((from - 500)) seed=$seed show"
	echo "# replay: $words"
	run "$tmp/a" $reference "$reference_option" "$words"
	run "$tmp/b" "$3" "$4" "$words $5"
	line=$(cmp "$tmp/a" "$tmp/b" | sed 's/.*line //')
	[ -n "$line" ] || return
	head -n "$line" "$tmp/a" | tac | sed '/^# op/q' | tac
	echo "# and on $3:"
	sed -n "${line}p" "$tmp/b"
}

same() { # variant option words
	name="$reference and $1${2:+ with $2}${3:+ ($3)} do the same"
	if ! run "$tmp/other" "$1" "$2" "trace=$nr seed=$seed ${3:-}"; then
		if [ $status -eq 77 ]; then
			skip "$name" "$1 is not available"
		else
			verdict "$name" "$tmp/why"
		fi
		return
	fi
	cmp -s "$tmp/reference" "$tmp/other" ||
		show_difference "$tmp/reference" "$tmp/other" "$1" "$2" \
			"${3:-}" >"$tmp/why"
	[ -s "$tmp/reference" ] && cmp -s "$tmp/reference" "$tmp/other"
	verdict "$name" "$tmp/why"
}

refer_to() { # variant option words
	reference=$1 reference_option=$2
	run "$tmp/reference" "$1" "$2" "trace=$nr seed=$seed ${3:-}" ||
		bail_out "$1 does not run: $(cat "$tmp/why")"
}

off=ptebatch=no-updates,no-validation,no-traps
refer_to stock ''
same release '' engine
same release $off own
same release '' 'engine switch'
# A debug build refuses a flag that a release takes.
refer_to debug $off own
same debug '' engine
same debug '' 'engine switch'
same preempt '' engine
tap_done
