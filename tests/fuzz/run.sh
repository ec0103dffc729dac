#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer: first every input of the corpus, then $FUZZ_TIME seconds (60) of
# new ones, shared out between the targets, by random bytes (seed $FUZZ_SEED)
# and, where the targets were built for it, by libFuzzer. TAP. Run it in the
# build folder ("make fuzz"); an input that fails is kept there, in
# tests/fuzz/, and the target's argument to do it again.
set -u
time=${FUZZ_TIME:-60} seed=${FUZZ_SEED:-1}
top=$(cd "${top_srcdir:-.}" && pwd)
out=tests/fuzz
mkdir -p $out
n=0 failed=0

verdict() { # ok|not ok, text
	n=$((n + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $n - $2"
}

# Of both sorts, a second each at least. handlers: three quarters.
share() { # parts of 8
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
		verdict ok "$target, corpus: $(sed -n 's/^# //p' $out/log)"
	else
		verdict 'not ok' "$target, corpus"
		tail -n 30 $out/log | sed 's/^/# /'
	fi
	if $out/$target "$corpus" --time "$(share $parts)" --seed "$seed" \
		--keep $out/$target-failed >$out/log 2>&1
	then
		verdict ok "$target, random: $(sed -n '$s/^# //p' $out/log)"
	else
		verdict 'not ok' "$target, random (seed $seed), kept in $out/$target-failed"
		tail -n 30 $out/log | sed 's/^/# /'
	fi
	[ -x $out/$target-libfuzzer ] || continue
	mkdir -p $out/new-$target
	if $out/$target-libfuzzer -max_total_time="$(share $parts)" \
		-max_len=4096 -seed="$seed" -verbosity=0 \
		-artifact_prefix=$out/$target-failed- \
		$out/new-$target "$corpus" >$out/log 2>&1
	then
		verdict ok "$target, libFuzzer: $(sed -n 's/^# //p' $out/log)"
	else
		verdict 'not ok' "$target, libFuzzer, kept in $out/$target-failed-*"
		tail -n 30 $out/log | sed 's/^/# /'
	fi
done
echo "1..$n"
[ $failed = 0 ]
