#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the decoder of trapped writes with Xen's own instruction emulator, of
# the source of Xen 4.17 that tools/xen-image unpacks, and with this CPU. TAP.
#
#   decode.sh              $DECODE_COUNT cases (default 10^6) of $DECODE_SEED
#                          (default 1), and mutants of the decoder
#   decode.sh long         10^8 cases, no mutants. Continues an interrupted run
#                          of the same sources and seed, and tells how far it
#                          came
#
# To be run in the build folder. Environment: top_srcdir, CC.
set -u
. "$(dirname "$0")/../common/tap.sh"
name='the decoder of trapped writes, compared with the emulator'
needs python3
temporary_folder
CC=${CC:-cc} seed=${DECODE_SEED:-1}
count=${DECODE_COUNT:-1000000} part=10000000
[ "${1:-}" != long ] || count=${DECODE_COUNT:-100000000}

source=$("$top_srcdir/tools/xen-image" source)
case $? in
0) ;;
77)
	skip "$name" "Debian's archive does not serve Xen's source here"
	tap_done
	;;
*)
	bail_out "there is no source of Xen"
	;;
esac

# The folder of headers that Xen's build of the emulator would make.
headers() {
	mkdir -p "$tmp/include/xen/lib/x86" &&
		ln -s "$source"/xen/include/public/* "$tmp/include/xen/" &&
		ln -s "$source/xen/arch/x86/include/asm" "$tmp/include/xen/" &&
		ln -s "$source"/xen/include/xen/lib/x86/*.h \
			"$tmp/include/xen/lib/x86/" &&
		python3 "$source/xen/tools/gen-cpuid.py" \
			-i "$source/xen/include/public/arch-x86/cpufeatureset.h" \
			-o "$tmp/include/xen/lib/x86/cpuid-autogen.h"
}
emulator() {
	$CC -O2 -w -D__XEN_TOOLS__ -iquote "$source/tools/tests/x86_emulator" \
		-iquote "$source/xen/arch/x86" -I"$tmp/include" \
		-I"$source/tools/include" \
		-c "$top_srcdir/tests/fuzz/emulator.c" -o "$tmp/emulator.o"
}
decoder() { # the folder with decode.h
	$CC -std=gnu11 -O2 -w -DWITH_EMULATOR -I"$1" -I"$top_srcdir/include" \
		"$top_srcdir/tests/fuzz/decode.c" "$tmp/emulator.o" \
		-o "$tmp/decode"
}
handlers=$top_srcdir/backends/xen-hv
{ headers && emulator && decoder "$handlers"; } >"$tmp/log" 2>&1 || {
	not_ok "$name: Xen's emulator builds in a process" "$tmp/log"
	tap_done
}

if [ "${1:-}" = long ]; then
	# What is done of this decoder: its hash, the seed, the next case.
	mkdir -p tests/fuzz
	progress=tests/fuzz/decode-progress
	state="$(cat "$handlers/decode.h" "$top_srcdir"/tests/fuzz/decode.c \
		"$top_srcdir"/tests/fuzz/emulator.[ch] \
		"$source/xen/arch/x86/x86_emulate/x86_emulate.c" |
		sha256sum | cut -d' ' -f1) $seed"
	from=$(sed -n "s/^$state //p" $progress 2>/dev/null)
	from=${from:-0}
	echo "# seed $seed, from case $from"
	while [ "$from" -lt "$count" ]; do
		if ! "$tmp/decode" --seed "$seed" --from "$from" \
			--count $part >"$tmp/log" 2>&1
		then
			not_ok "$name: seed $seed, after $from cases" "$tmp/log"
			tap_done
		fi
		from=$((from + part))
		echo "$state $from" >$progress
		grep '^#' "$tmp/log"
	done
	ok "$name: $from cases of seed $seed"
	tap_done
fi

"$tmp/decode" --seed "$seed" --count "$count" >"$tmp/log" 2>&1
verdict "$name and with this CPU: $count cases of seed $seed" "$tmp/log"
grep '^#' "$tmp/log"
[ $tap_failed -eq 0 ] ||
	bail_out 'the mutants prove nothing while the unchanged decoder fails'

# mutant NAME ANCHOR REPLACEMENT: replaces every match of the anchor
mutant() {
	rm -rf "$tmp/m" && mkdir "$tmp/m"
	if ! python3 - "$handlers/decode.h" "$tmp/m/decode.h" "$2" "$3" <<-'PY'
		import re, sys
		path, out, anchor, new = sys.argv[1:]
		text = open(path).read()
		# Any sequence of white space matches any other.
		pattern = r"\s+".join(re.escape(w) for w in anchor.split())
		if not re.search(pattern, text):
		    sys.exit(1)
		open(out, "w").write(re.sub(pattern, lambda m: new, text))
	PY
	then
		not_ok "$1" "the anchor is missing from decode.h: $2"
		return
	fi
	if ! decoder "$tmp/m" >"$tmp/log" 2>&1; then
		not_ok "$1" "$tmp/log"
	elif timeout 60 "$tmp/decode" --count 100000 >"$tmp/log" 2>&1; then
		not_ok "$1" 'every case passes'
	else
		ok "$1"
		grep -m1 '^# ' "$tmp/log" | cut -c1-76 | sed 's/^# /#   /'
	fi
}

# --- Which instructions are accepted ---
mutant 'found: a locked mov accepted' \
	'STORE_MOV | STORE_NO_LOCK,' 'STORE_MOV,'
mutant 'found: a locked mov of an immediate accepted' \
	'STORE_MOV | STORE_IMM32 | STORE_NO_LOCK' 'STORE_MOV | STORE_IMM32'
mutant 'found: another instruction of the group of mov accepted' \
	': reg ) return false;' ': 0 ) return false;'
mutant 'found: a prefix that is not on the list accepted' \
	'opcode == 0x3e' '(opcode == 0x3e || opcode == 0x2e)'
mutant 'found: an operand size prefix passed over' \
	'if ( (opcode & 0xf0) != 0x40 )' \
	'if ( opcode == 0x66 ) opcode = *p++; if ( (opcode & 0xf0) != 0x40 )'
mutant 'found: an address size prefix passed over' \
	'if ( (opcode & 0xf0) != 0x40 )' \
	'if ( opcode == 0x67 ) opcode = *p++; if ( (opcode & 0xf0) != 0x40 )'
mutant 'found: a segment prefix passed over' \
	'if ( (opcode & 0xf0) != 0x40 )' \
	'if ( opcode == 0x65 ) opcode = *p++; if ( (opcode & 0xf0) != 0x40 )'
mutant 'found: a repeat prefix passed over' \
	'if ( (opcode & 0xf0) != 0x40 )' \
	'if ( opcode == 0xf3 ) opcode = *p++; if ( (opcode & 0xf0) != 0x40 )'
mutant 'found: the lock prefix refused' 'lock || opcode == 0x3e' 'opcode == 0x3e'
mutant 'found: 0x3e taken for a lock prefix' \
	'lock = opcode == 0xf0;' 'lock = opcode == 0xf0 || opcode == 0x3e;'
mutant 'found: REX before the prefix still in force' \
	'if ( (opcode & 0xf0) != 0x40 )' \
	'if ( (opcode & 0xf0) == 0x40 && (*p == 0xf0 || *p == 0x3e) )
		{ rex = opcode; opcode = *p++; }
	if ( (opcode & 0xf0) != 0x40 )'
mutant 'found: a second REX accepted' \
	'rex = opcode; opcode = *p++;' \
	'if ( (*p & 0xf0) == 0x40 ) opcode = *p++; rex = opcode; opcode = *p++;'
mutant 'found: REX.W missing' '(!(rex & 8) && !(form & STORE_BYTE))' 'false'
mutant 'found: REX.W demanded of a byte form' \
	'(!(rex & 8) && !(form & STORE_BYTE))' '!(rex & 8)'
mutant 'found: a register operand accepted' 'mod == 3' 'false'
mutant 'found: an opcode of two bytes taken for one' 'opcode != 0x0f' 'opcode != 0x0e'
mutant 'found: other arithmetic accepted' 'reg != 1 && reg != 4' \
	'reg != 1 && reg != 4 && reg != 6'
mutant 'found: bt and btc accepted' 'reg != 5 && reg != 6' 'reg < 4'
mutant 'found: a bit beyond the quadword accepted' 'value > 63' 'value > 127'
mutant 'found: an operand that is not aligned' \
	'else if ( addr & 7 )' 'else if ( false )'
mutant 'found: an instruction refused though it was fetched whole' \
	's->len > valid ) return true' \
	's->len >= valid ) return s->len != valid'

# --- The address ---
mutant 'found: REX.X left out' '((rex << 2) & 8)' '0'
mutant 'found: REX.B left out of a base' 'base | ((rex << 3) & 8)' 'base'
mutant 'found: REX.B left out of a register' 'rm | ((rex << 3) & 8)' 'rm'
mutant 'found: REX.R left out' 'reg | ((rex << 1) & 8)' 'reg'
mutant 'found: REX.R for REX.B' '(rex << 3) & 8' '(rex << 1) & 8'
mutant 'found: RSP as an index' 'if ( index != 4 )' ''
mutant 'found: R12 not as an index' 'index != 4' '(index & 7) != 4'
mutant 'found: an index not scaled' '<< (sib >> 6)' ''
mutant 'found: RBP as a base with no displacement' \
	'base == 5 && mod == 0' 'false'
mutant 'found: a displacement of four bytes for one' \
	'addr += (int8_t)*p++' 'addr += store_int32(p), p += 4'
mutant 'found: a displacement without its sign' \
	'addr += (int8_t)*p++' 'addr += *p++'
mutant 'found: no displacement for RBP alone' 'case 5:' 'case 8:'
mutant 'found: an address relative to the start of the instruction' \
	'regs->rip + s->len' 'regs->rip'
mutant 'found: an absolute address where it is relative' \
	'relative = true' 'relative = false'
mutant 'found: a relative address that ignores the immediate' \
	'regs->rip + s->len' \
	'regs->rip + s->len - (form & STORE_IMM32 ? 4 : form & STORE_IMM8 ? 1 : 0)'
mutant 'found: two registers swapped' \
	'value = *decode_gpr(regs, s->reg)' 'value = *decode_gpr(regs, rm)'

# --- What is written ---
mutant 'found: an immediate without its sign' \
	'value = (int8_t)*p++' 'value = *p++'
mutant 'found: a long immediate without its sign' \
	'value = store_int32(p)' 'value = (uint32_t)store_int32(p)'
mutant 'found: or taken for and, by the reg field' \
	'form |= STORE_OR;' ';'
mutant 'found: or taken for and' 'STORE_LOGIC | STORE_OR,' 'STORE_LOGIC,'
mutant 'found: the other bytes of the entry changed by and' \
	'~((~value & 0xff) << s->shift)' '((value & 0xff) << s->shift)'
mutant 'found: the first byte of the entry changed instead' \
	's->shift = (addr & 7) * 8' 's->shift = 0'
mutant 'found: btr and bts swapped' 'reg == 5 ?' 'reg == 6 ?'
mutant 'found: a write of what is there already' \
	': new != old' ': true'
mutant 'found: a mov of what is there already left out' \
	's->kind == STORE_MOV ||' '(s->kind == STORE_MOV && old != new) ||'
mutant 'found: a cmpxchg that compares the frame only' \
	'old == regs->rax' '(old & ~0x60ull) == (regs->rax & ~0x60ull)'
mutant 'found: a cmpxchg that always writes' \
	'? old == regs->rax' '? true'

# --- Registers and flags ---
mutant 'found: no old value from xchg' \
	'*decode_gpr(regs, s->reg) = old;' ''
mutant 'found: RAX not loaded by cmpxchg' 'regs->rax = old;' ''
mutant 'found: CF left by and' 'regs->eflags &= ~arith;' \
	'regs->eflags &= ~(arith & ~X86_EFLAGS_CF);'
mutant 'found: OF left by and' 'regs->eflags &= ~arith;' \
	'regs->eflags &= ~(arith & ~X86_EFLAGS_OF);'
mutant 'found: SF of the entry, not of the byte' \
	's->byte ? 7 : 63' '63'
mutant 'found: flags of the whole entry for one byte' \
	'if ( s->byte ) result &= 0xff;' ''
mutant 'found: ZF where the result is not 0' \
	'(result ? 0 : X86_EFLAGS_ZF)' '(result ? X86_EFLAGS_ZF : 0)'
mutant 'found: the wrong parity' '? 0 : X86_EFLAGS_PF' '? X86_EFLAGS_PF : 0'
mutant 'found: the parity of all bytes' \
	'__builtin_parity(result & 0xff)' '__builtin_parityll(result)'
mutant 'found: CF of the new bit' \
	'old & (~s->keep | s->set)' '~old & (~s->keep | s->set)'
mutant 'found: CF left by btr' 'regs->eflags &= ~X86_EFLAGS_CF;' ''
mutant 'found: other flags changed by btr' \
	'regs->eflags &= ~X86_EFLAGS_CF;' \
	'regs->eflags &= ~(X86_EFLAGS_CF | X86_EFLAGS_ZF);'
mutant 'found: CF of the wrong comparison' \
	'regs->rax < old' 'old < regs->rax'
mutant 'found: no AF of cmpxchg' \
	'((regs->rax ^ old ^ result) & X86_EFLAGS_AF)' '0'
mutant 'found: the wrong OF of cmpxchg' \
	'(regs->rax ^ result)) >> 63' '(old ^ result)) >> 63'
mutant 'found: RIP one byte off' 'regs->rip += s->len' \
	'regs->rip += s->len + 1'
mutant 'found: RF left set' 'regs->eflags &= ~X86_EFLAGS_RF;' ''

tap_done
