#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the fuzz targets. Each target runs every input of its corpus, and then
# new inputs: random ones (seed $FUZZ_SEED) and, if it was built with libFuzzer,
# guided ones. New inputs take $FUZZ_TIME seconds (default 60) for all targets
# together. TAP. To be run in the build folder ("make fuzz"). An input that
# fails is kept in tests/fuzz/ there; give it to the target as argument to
# repeat the failure.
set -u
. "$(dirname "$0")/../common/tap.sh"
time=${FUZZ_TIME:-60} seed=${FUZZ_SEED:-1}
top=$(cd "$top_srcdir" && pwd)
out=tests/fuzz
mkdir -p $out
# A target's share of the time, at least a second. The handlers get 6/8 of it,
# the library 2/8; random and guided inputs share these equally.
share() { # eighths of the time
	s=$((time * $1 / 8))
	[ $s -gt 0 ] && echo $s || echo 1
}

for target in handler library; do
	corpus=$top/tests/fuzz/corpus/$target
	parts=6
	[ $target = handler ] || parts=2
	[ ! -x $out/$target-libfuzzer ] || parts=$((parts / 2))
	if $out/$target "$corpus" --keep $out/$target-failed >$out/log 2>&1 &&
		[ -n "$(ls "$corpus")" ]
	then
		ok "$target, corpus: $(sed -n 's/^# //p' $out/log)"
	else
		not_ok "$target, corpus" $out/log
	fi
	if $out/$target "$corpus" --time "$(share $parts)" --seed "$seed" \
		--keep $out/$target-failed >$out/log 2>&1
	then
		ok "$target, random: $(sed -n '$s/^# //p' $out/log)"
	else
		not_ok "$target, random (seed $seed), kept in $out/$target-failed" \
			$out/log
	fi
	[ -x $out/$target-libfuzzer ] || continue
	mkdir -p $out/new-$target
	if $out/$target-libfuzzer -max_total_time="$(share $parts)" \
		-max_len=4096 -seed="$seed" -verbosity=0 \
		-artifact_prefix=$out/$target-failed- \
		$out/new-$target "$corpus" >$out/log 2>&1
	then
		ok "$target, libFuzzer: $(sed -n 's/^# //p' $out/log)"
	else
		not_ok "$target, libFuzzer, kept in $out/$target-failed-*" \
			$out/log
	fi
done
tap_done
