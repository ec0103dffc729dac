#!/bin/sh
# SPDX-License-Identifier: MIT
# Each gate of livepatch/build is shown open and shut, on small files made here.
# Then the whole build, on copies of Debian's binary: what fails leaves no payload.
# TAP. Environment: top_srcdir.
set -u
. "$(dirname "$0")/../common/tap.sh"
needs python3 gcc ld nm objdump
temporary_folder
livepatch=$top_srcdir/livepatch

# Prints what a gate says: "open: ..." or "NAME: ...".
says() { # expression
	python3 -c '
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import gates
from gates import Code, Elf, table
try:
    print("open:", eval(sys.argv[2], vars(gates), {"t": sys.argv[3] + "/"}))
except gates.Shut as shut:
    print(f"{shut.gate}: {shut}")
' "$livepatch" "$1" "$tmp"
}
gate() { # what holds, "open", a gate, or all that it says, expression
	said=$(says "$3" 2>&1)
	case $said in
	"$2: "* | "$2") ok "$1" ;;
	*) not_ok "$1" "$said" ;;
	esac
}

# --- Files --------------------------------------------------------------------
id=00112233445566778899aabbccddeeff00112233
bytes=$(echo $id | sed 's/../0x&,/g; s/,$//')

# A binary: "all" changes every register, "leaf" few, "alters" is one whose bytes
# an alternative replaces, and "inside" jumps into another.
cat >"$tmp/binary.S" <<'END'
	.text
	.globl _start, all, leaf, alters, entered, inside, twice
	.type _start, @function; .type all, @function; .type leaf, @function
	.type alters, @function; .type entered, @function
	.type inside, @function; .type shared, @function
_start:	call all
	call leaf
	ret
all:	push %rbx
	mov $1, %eax
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	call rest
	pop %rbx
	ret
	.size all, . - all
	.type rest, @function
rest:	mov %rax, %r8
	mov %rax, %r9
	mov %rax, %r10
	mov %rax, %r11
	ret
	.size rest, . - rest
leaf:	mov %rdi, %rax
	add $1, %rax
	nop
	nop
	ret
	.size leaf, . - leaf
alters:	mov %rdi, %rax
1:	nop
	nop
	nop
	mov %rdi, %rcx
	mov %rdi, %rdx
	ret
	.size alters, . - alters
entered: mov %rdi, %rax
2:	mov %rax, %rcx
	mov %rax, %rdx
	ret
	.size entered, . - entered
inside:	jmp 2b
	.size inside, . - inside
shared:	mov %rdi, %rax
	mov %rdi, %rcx
	ret
	.size shared, . - shared
	.globl reads
	.type reads, @function
reads:	mov %r8, %r9
	mov %r8, %rax
	mov %r8, %rdx
	mov %r8, %rsi
	mov %r8, %rdi
	mul %rcx
	div %r8
	imul %r10
	verw %cx
	invpcid (%rdx), %r8
	wrfsbase %r10
	call *%r11
	ret
	.size reads, . - reads
	.globl checked, poisoned
checked: endbr64
	ret
poisoned: endbr64
	ret
	.section .init.text, "ax"
	.globl __init_begin, __init_end, at_boot
__init_begin:
at_boot: ret
__init_end:
	.section .init.data.cf_clobber, "aw"
	.globl __initdata_cf_clobber_start, __initdata_cf_clobber_end
__initdata_cf_clobber_start:
	.quad poisoned
__initdata_cf_clobber_end:
	.section .altinstructions, "a"
	.globl __alt_instructions, __alt_instructions_end
__alt_instructions:
	.long 1b - ., 1b - .
	.word 0
	.byte 3, 0, 0, 0
#ifdef LONGER
	.byte 0
#endif
__alt_instructions_end:
	.data
	.globl theirs
	.type theirs, @object
	.size theirs, 4
theirs:	.long 0
	.section .note.GNU-stack, ""
END
# A payload, with what -D adds to it.
cat >"$tmp/payload.S" <<'END'
	.text
	.globl "ptebatch#hook"
	.type "ptebatch#hook", @function
"ptebatch#hook":
#ifndef NO_ENDBR
	endbr64
#endif
	call all
	lea "ptebatch#called"(%rip), %rax
	ret
	.size "ptebatch#hook", . - "ptebatch#hook"
#ifdef UNKNOWN
	call unknown
#endif
#ifdef CALLS
	call CALLS
#endif
#ifdef TAKES
	lea TAKES(%rip), %rax
#endif
#ifdef GOT
	mov all@GOTPCREL(%rip), %rax
#endif
	.section .text.called, "ax"
	.type "ptebatch#called", @function
"ptebatch#called":
#ifndef NO_ENDBR_CALLED
	endbr64
#endif
	ret
	.size "ptebatch#called", . - "ptebatch#called"
	.section .livepatch.hooks.load, "aw"
	.quad "ptebatch#hook"
#ifdef STORES
	.section .data.rel.ro, "aw"
	.quad STORES
#endif
#ifdef HAS
	.section .text.HAS, "ax"
HAS:	ret
	.section .rodata.str1.1, "aMS", 1
.Ltext:	.asciz "text"
#endif
	.section .livepatch.depends, "a"
	.long 4, 20, 3
	.asciz "GNU"
	.byte DEPENDS
	.section .livepatch.xen_depends, "a"
	.long 4, 20, 3
	.asciz "GNU"
	.byte BUILD
	.data
#ifdef OWN
	.type OWN, @object
	.size OWN, 4
OWN:	.long 0
#endif
#ifdef SECTION
	.section SECTION, "aw"
	.long 0
#endif
	.section .note.GNU-stack, ""
END
payload() { # name, -D...
	name=$1
	shift
	gcc -c -DDEPENDS="$bytes" -DBUILD="$bytes" "$@" -o "$tmp/$name.o" \
		"$tmp/payload.S" && ld -r --build-id=sha1 -o "$tmp/$name" \
		"$tmp/$name.o" && objcopy -R .note.gnu.property "$tmp/$name"
}
{
	gcc -c -o "$tmp/binary.o" "$tmp/binary.S" &&
		ld -o "$tmp/binary" "$tmp/binary.o" &&
		nm "$tmp/binary" | sed 's/^/0x/' |
		sed 's/ shared$/ some.c#shared/' >"$tmp/binary.map" &&
		gcc -c -DLONGER -o "$tmp/longer.o" "$tmp/binary.S" &&
		ld -o "$tmp/longer" "$tmp/longer.o" &&
		payload good &&
		payload at-boot -DCALLS=at_boot &&
		payload has -DHAS='"ptebatch#leaf"' &&
		payload has-theirs -DHAS=leaf &&
		payload has-plain -DHAS=plain &&
		payload takes-data -DTAKES=theirs &&
		payload takes -DTAKES=checked -DSTORES=checked &&
		payload takes-unchecked -DTAKES=leaf &&
		payload stores-unchecked -DSTORES=leaf &&
		payload stores-poisoned -DSTORES=poisoned &&
		payload unknown -DUNKNOWN && payload got -DGOT &&
		payload unchecked -DNO_ENDBR &&
		payload unchecked-called -DNO_ENDBR_CALLED &&
		payload second -DOWN='"ptebatch#theirs"' &&
		payload own -DOWN='"ptebatch#ours"' &&
		payload numbered -DOWN='"ptebatch#once.12"' &&
		payload percpu -DSECTION=.data.percpu &&
		payload init -DSECTION=.init.setup &&
		payload depends -UDEPENDS -DDEPENDS="$(echo "$bytes" |
			sed 's/0x00/0x01/')" &&
		ld -r -o "$tmp/nameless" "$tmp/good.o"
} >"$tmp/log" 2>&1
for file in binary good unknown got unchecked unchecked-called second own \
	percpu init depends nameless longer at-boot has has-theirs has-plain numbered \
	takes-data takes takes-unchecked stores-unchecked stores-poisoned
do
	[ -s "$tmp/$file" ] || { cat "$tmp/log" >&2; bail_out "no $file"; }
done

# --- The build that the payload is for ----------------------------------------
gate "the binary's compiler is taken" open 'same_compiler("gcc 1", "gcc 1")'
gate "another compiler is not" compiler 'same_compiler("gcc 1", "gcc 2")'
cp "$tmp/binary" "$tmp/rebuilt"
bytes_of() { echo "open(t + '$1', 'rb').read()"; }
gate "a rebuild that is the binary is taken" open \
	"identical(t + 'rebuilt', $(bytes_of binary))"
gate "a rebuild that differs in one byte is not" rebuild \
	"identical(t + 'rebuilt', $(bytes_of binary)[:-1] + b'?')"
gate "nor one that is longer" rebuild \
	"identical(t + 'rebuilt', $(bytes_of binary)[:-1])"

# --- The payload --------------------------------------------------------------
gate "symbols of the binary's are taken" open \
	'symbols_resolve(Elf(t + "good"), table(t + "binary.map"))'
gate "a symbol that the binary lacks is not" symbols \
	'symbols_resolve(Elf(t + "unknown"), table(t + "binary.map"))'
gate "a symbol that the binary has twice is not" symbols \
	'symbols_resolve(Elf(t + "good"), {**table(t + "binary.map"), "all": {1, 2}})'
gate "a function that is freed when Xen has booted is not" symbols \
	'symbols_resolve(Elf(t + "at-boot"), table(t + "binary.map"))'
gate "a name that the binary has is not" symbols \
	'symbols_resolve(Elf(t + "has-theirs"), table(t + "binary.map"))'
gate "nor any name that another payload could have" symbols \
	'symbols_resolve(Elf(t + "has-plain"), table(t + "binary.map"))'
gate "a name of the project's is" open \
	'symbols_resolve(Elf(t + "has"), table(t + "binary.map"))'
gate "a variable of the payload's own is taken" open \
	'no_second_data(Elf(t + "own"), table(t + "binary.map"), ())'
gate "a second variable of Xen's is not" data \
	'no_second_data(Elf(t + "second"), table(t + "binary.map"), ())'
gate "nor one that is static in a file of Xen's" data \
	'no_second_data(Elf(t + "own"), {"mm.c#ours": {1}}, ("mm.c",))'
gate "nor one that is static in a function, under another number" data \
	'no_second_data(Elf(t + "numbered"), {"mm.c#once.7": {1}}, ("mm.c",))'
gate "sections that the loader knows are taken" open \
	'sections_known(Elf(t + "good"))'
gate "per-CPU data are not" sections 'sections_known(Elf(t + "percpu"))'
gate "boot parameters are not" sections 'sections_known(Elf(t + "init"))'
gate "a relocation that the loader does not know is not" sections \
	'sections_known(Elf(t + "got"))'
checks() { echo "hooks_checked(Elf(t + '$1'), Elf(t + 'binary'),
	table(t + 'binary.map'))"; }
gate "hooks with endbr64 are taken" open "$(checks good)"
gate "a hook without it is not" cf_check "$(checks unchecked)"
gate "nor a function whose address is taken" cf_check \
	"$(checks unchecked-called)"
gate "addresses of Xen's functions with endbr64 are taken" open \
	"$(checks takes)"
gate "those of Xen's variables too" open "$(checks takes-data)"
gate "that of a function of Xen's without endbr64 is not" cf_check \
	"$(checks takes-unchecked)"
gate "nor if it is stored" cf_check "$(checks stores-unchecked)"
gate "nor where Xen removes the endbr64 when it boots" cf_check \
	"$(checks stores-poisoned)"
gate "the binary's build-id is taken" open \
	"depends_on(Elf(t + 'good'), '$id')"
gate "another build-id is not" build-id \
	"depends_on(Elf(t + 'good'), '$(echo $id | tr 0 1)')"
gate "nor one that differs in the first note alone" build-id \
	"depends_on(Elf(t + 'depends'), '$id')"
gate "nor a payload without a build-id of its own" build-id \
	"depends_on(Elf(t + 'nameless'), '$id')"

# --- The functions that are replaced ------------------------------------------
at() { echo "next(iter(table(t + 'binary.map')['$1']))"; }
gate "a function that changes all registers may be replaced" open \
	"registers_free(Code(t + 'binary'), {'all': $(at all)})"
gate "one that leaves some as they are may not" registers \
	"registers_free(Code(t + 'binary'), {'leaf': $(at leaf)})"
gate "a register that is only read is left as it is" \
	"open: ['r10', 'r11', 'r8', 'rcx']" \
	"sorted(CALLER_SAVED - Code(t + 'binary').changes($(at reads)))"
gate "the first bytes of a function are what Xen compares" open \
	"expected(Elf(t + 'binary'), $(at leaf), 11)"
gate "a function shorter than a jump cannot be replaced" expect \
	"expected(Elf(t + 'binary'), $(at leaf), 4)"
gate "bytes that Xen changes when it boots are not compared" expect \
	"expected(Elf(t + 'binary'), $(at alters), 13)"
gate "a list of alternatives with entries of another size is not read" expect \
	"expected(Elf(t + 'longer'), $(at leaf), 11)"
gate "a function that is entered at its start alone may be replaced" open \
	"not_entered(Code(t + 'binary'), {'leaf': $(at leaf)})"
gate "one that something jumps into may not" expect \
	"not_entered(Code(t + 'binary'), {'entered': $(at entered)})"

# --- The whole build ----------------------------------------------------------
stock=$("$top_srcdir/tools/xen-image" stock 2>"$tmp/log") &&
	source=$("$top_srcdir/tools/xen-image" source 2>"$tmp/log")
if [ $? -ne 0 ]; then
	skip "a build whose gate shuts leaves no payload" \
		"Debian's archive does not serve Xen's source here"
	tap_done
fi
# The tree that a payload is compiled from, with the engine put into it by a build
# that was interrupted: the field in struct pv_domain is still there.
cp -r "$source" "$tmp/tree" &&
	"$top_srcdir/backends/xen-hv/install" "$tmp/tree" >"$tmp/log" 2>&1 ||
	bail_out "no tree"
domain=xen/arch/x86/include/asm/domain.h
prepares() { # what holds, what it says, Python before it, after it
	python3 - "$livepatch" "$source" "$stock/xen" "$tmp" "$3" "$4" \
		>"$tmp/log" 2>&1 <<-'END'
	import importlib.machinery, importlib.util, os, sys
	sys.dont_write_bytecode = True
	folder, source, binary, work, before, after = sys.argv[1:]
	loader = importlib.machinery.SourceFileLoader("build", folder + "/build")
	build = importlib.util.module_from_spec(
	    importlib.util.spec_from_loader("build", loader))
	loader.exec_module(build)
	tree = build.Tree(work, source, build.Binary(binary))
	mark = work + "/rebuilt"
	build.write(mark, build.hashlib.sha256(tree.binary.data).hexdigest() + " "
	            + os.path.realpath(source))
	exec(before)
	try:
	    print(tree.install())
	except (build.Shut, build.Failed) as reason:
	    print(reason)
	exec(after)
	END
	if [ $? -eq 0 ] && grep -q "$2" "$tmp/log"; then
		ok "$1"
	else
		not_ok "$1" "$tmp/log"
	fi
}
grep -q ptebatch_off "$tmp/tree/$domain"
verdict "the engine's own field is in the tree"
prepares "it is not there when a payload is compiled" "source's headers" '' '
assert build.read(f"{source}/xen/{build.DOMAIN}") == build.read(
    f"{tree.xen}/{build.DOMAIN}")
assert os.path.exists(mark)'
prepares "a build that is interrupted leaves no tree to be used again" \
	'engine is going in' '
def install(*arguments, **options):
    raise build.Failed("the engine is going in")
build.subprocess.run = install' 'assert not os.path.exists(mark)'
echo >>"$tmp/tree/xen/arch/x86/include/asm/mm.h"
prepares "a header that was edited: no payload" 'gate headers: .*asm/mm\.h$' '' \
	'assert not os.path.exists(mark)'
rm -r "$tmp/tree"
fails() { # what holds, status, what it says, the binary
	status=$2 wants=$3
	: >"$tmp/out"
	"$livepatch/build" "$source" --binary "$4" --out "$tmp/out" \
		--work "$tmp/work" >"$tmp/log" 2>&1
	if [ $? -eq "$status" ] && grep -q "$wants" "$tmp/log" &&
		[ ! -e "$tmp/out" ] && [ ! -e "$tmp/out.unfinished" ]
	then
		ok "$1"
	else
		not_ok "$1" "$tmp/log"
	fi
}
sed 's/(Debian 12\.2\.0-14+deb12u1)/(Debian 12.2.0-14+deb12u2)/' \
	"$stock/xen" >"$tmp/xen"
fails "a binary of another compiler: no payload, and it says so" 1 \
	'gate compiler: .*deb12u2' "$tmp/xen"
head -c 1000000 "$stock/xen" >"$tmp/xen"
fails "a truncated binary: no payload" 1 'not a hypervisor\|its configuration' \
	"$tmp/xen"
gzip -1c "$stock/xen" | head -c 500000 >"$tmp/xen"
fails "a truncated packed binary: no payload" 1 '^build: .* cannot be unpacked' \
	"$tmp/xen"
fails "a file that is no hypervisor: no payload" 1 'not a hypervisor' "$0"
python3 - "$stock/xen" "$tmp/xen" <<'END'
import re, sys, zlib
data = open(sys.argv[1], "rb").read()
at = data.index(b"\x1f\x8b\x08")
while True:
    unpacker = zlib.decompressobj(31)
    try:
        text = unpacker.decompress(data[at:])
        if b"CONFIG_LIVEPATCH" in text:
            break
    except zlib.error:
        pass
    at = data.index(b"\x1f\x8b\x08", at + 1)
end = len(data) - len(unpacker.unused_data)
packer = zlib.compressobj(9, zlib.DEFLATED, 31)
new = packer.compress(text.replace(b"CONFIG_LIVEPATCH=y",
                                   b"# CONFIG_LIVEPATCH is not set"))
new += packer.flush()
open(sys.argv[2], "wb").write(data[:at] + new + data[max(end, at + len(new)):])
END
fails "a binary without livepatches: no payload, and it says so" 1 \
	'without CONFIG_LIVEPATCH' "$tmp/xen"
# As packages install it: the files of the list, and the handlers beside them.
mkdir "$tmp/share"
(cd "$top_srcdir" && grep -hv ^LICENSES livepatch/FILES |
	xargs cp --parents -t "$tmp/share" &&
	cp -r --parents -t "$tmp/share" backends/xen-hv \
		include/ptebatch/xen-ptebatch.h)
sed 's/(Debian 12\.2\.0-14+deb12u1)/(Debian 12.2.0-14+deb12u2)/' \
	"$stock/xen" >"$tmp/xen"
livepatch=$tmp/share/livepatch
fails "what a package installs of it works alone" 1 \
	'gate compiler: .*deb12u2' "$tmp/xen"
"$livepatch/build" "$source" --out "$tmp/out" >"$tmp/log" 2>&1
[ $? -eq 2 ]
verdict "a tree without a binary is wrong usage" "$tmp/log"
"$livepatch/build" "$source" --binary "$tmp/xen" --define PAYLOAD_NO_VETO \
	--out "$tmp/payloads/" >"$tmp/log" 2>&1
[ $? -eq 2 ]
verdict "a payload for tests does not get the name of one for use" "$tmp/log"
"$livepatch/build" "$source" --binary "$stock/xen" --syms "$stock/xen" \
	--out "$tmp/out" >"$tmp/log" 2>&1
[ $? -eq 2 ]
verdict "symbols of another build cannot be given" "$tmp/log"

tap_done
