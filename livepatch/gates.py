# SPDX-License-Identifier: GPL-2.0-only
"""The gates of a payload: each function raises Shut, with the gate's name and
what differs, or returns what it found, in words."""

import collections
import filecmp
import os
import re
import struct
import subprocess

# What Xen's loader and this payload know of sections. Writable ones keep Xen from
# applying the payload again after a revert: it is unloaded and uploaded instead.
READ_ONLY = re.compile(
    r"\.text(\.|$)|\.rodata(\.|$)|\.altinstructions$|\.altinstr_replacement$"
    r"|\.ex_table$|\.fixup$|\.bug_frames\.[0-3]$|\.modinfo$"
    r"|\.livepatch\.(xen_)?depends$|\.note\.gnu\.build-id$")
WRITABLE = re.compile(
    r"\.livepatch\.(funcs|hooks\.(load|unload|revert))$"
    r"|\.(data|bss)(\.(?!percpu|paramhypfs)|$)")
# Relocations of x86-64 that Xen's loader knows, by their numbers.
RELOCATIONS = {0, 1, 2, 4}
WRITE, ALLOC, EXECUTE, MERGE = 1, 2, 4, 16  # flags of sections
SECTION, FILE = 3, 4            # kinds of symbols
OWN = "ptebatch#"               # the names of a payload's own symbols begin so
ENDBR64 = bytes.fromhex("f30f1efa")
JUMP = 5                        # bytes of the jump that Xen writes


class Shut(Exception):
    def __init__(self, gate, what):
        super().__init__(f"gate {gate}: {what}")
        self.gate = gate


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True, errors="replace").stdout


Section = collections.namedtuple(
    "Section", "name kind flags address offset size link info")
Symbol = collections.namedtuple("Symbol", "name value size kind bind section")


class Elf:
    """An ELF file of 64 bits: sections, symbols, relocations."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:5] != b"\x7fELF\2":
            raise Shut("file", f"{path} is not an ELF file of 64 bits")
        at, = struct.unpack_from("<Q", self.data, 40)
        number, names = struct.unpack_from("<HH", self.data, 60)
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, at + 64 * i)
               for i in range(number)]
        self.sections = [Section(self.string(raw[names][4] + s[0]), *s[1:8])
                         for s in raw]
        self.symbols = []
        for section in self.sections:
            if section.kind == 2:
                strings = self.sections[section.link].offset
                for i in range(section.offset, section.offset + section.size,
                               24):
                    name, info, _, index, value, size = struct.unpack_from(
                        "<IBBHQQ", self.data, i)
                    self.symbols.append(
                        Symbol(self.string(strings + name), value, size,
                               info & 15, info >> 4, index))

    def string(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def bytes(self, section, value=0, size=None):
        """Content of a section, from an offset on."""
        if section.kind == 8:
            return bytes(section.size if size is None else size)
        end = section.size if size is None else value + size
        return self.data[section.offset + value:section.offset + end]

    def holds(self, address, size=1):
        """The section of a linked file that an address is in, or None."""
        for section in self.sections:
            if section.flags & ALLOC and section.address <= address and \
                    address + size <= section.address + section.size:
                return section
        return None

    def at(self, address, size):
        """Content of a linked file at an address."""
        section = self.holds(address, size)
        return self.bytes(section, address - section.address,
                          size) if section else b""

    def executes(self, address):
        section = self.holds(address)
        return bool(section and section.flags & EXECUTE)

    def relocations(self):
        """Yields (section, offset, type, symbol, addend)."""
        for rela in self.sections:
            if rela.kind == 4:
                for i in range(rela.offset, rela.offset + rela.size, 24):
                    offset, info, addend = struct.unpack_from("<QQq",
                                                              self.data, i)
                    yield (self.sections[rela.info], offset,
                           info & 0xffffffff, self.symbols[info >> 32], addend)

    def named(self, name):
        for section in self.sections:
            if section.name == name:
                return section
        return None

    def build_id(self, name=".note.gnu.build-id"):
        section = self.named(name)
        return note(self.bytes(section)) if section else None


def note(data):
    """The build-id in an ELF note, in hex."""
    name, size, kind = struct.unpack_from("<III", data)
    if (name, kind, data[12:16]) != (4, 3, b"GNU\0"):
        return None
    return data[16:16 + size].hex()


def table(path):
    """Xen's own table of symbols, as xen-syms.map has it: name -> addresses."""
    found = collections.defaultdict(set)
    with open(path, encoding="utf-8") as file:
        for line in file:
            address, _, name = line.split(maxsplit=2)
            found[name.strip()].add(int(address, 16))
    return found


# ---- The build that the payload is for ---------------------------------------

def same_compiler(wanted, have):
    if wanted != have:
        raise Shut("compiler", f"the binary was built by {wanted}, and this is "
                   f"{have}")
    return "the compiler is the binary's"


def identical(rebuilt, data):
    """The rebuild is the binary, byte for byte. Nothing less will do: functions and
    structures that only look the same may differ in what the compiler inlined, in
    what relocations fill in, or in what debug information leaves out."""
    with open(rebuilt, "rb") as file:
        if file.read() != data:
            raise Shut("rebuild", "the rebuild is not the binary, byte for byte; "
                       "the two cannot be compared in any other way")
    return "the rebuild is the binary, byte for byte"


def same_headers(source, tree):
    """The payload is compiled with the headers that the binary was built from. Only
    the engine's rows in the table of hypercalls are new."""
    differ = []
    for top in ("include", "arch/x86/include"):
        for folder, _, names in os.walk(os.path.join(source, top)):
            for path in (os.path.join(folder, name) for name in names
                         if name.endswith(".h")):
                inside = os.path.relpath(path, source)
                copy = os.path.join(tree, inside)
                if inside != "arch/x86/include/asm/hypercall.h" and not (
                        os.path.isfile(copy)
                        and filecmp.cmp(path, copy, shallow=False)):
                    differ.append(inside)
    if differ:
        raise Shut("headers", "the payload's tree does not have these as the "
                   f"source has them: {', '.join(sorted(differ)[:20])}")
    return "the payload is compiled with the source's headers"


# ---- The payload -------------------------------------------------------------

def once(names, name):
    """The address of a symbol that has to be in the binary's table, once."""
    found = names.get(name, ())
    if len(found) != 1:
        raise Shut("symbols", f"not in the binary's own table, or not once: {name}")
    return next(iter(found))


def own_symbols(payload):
    """The symbols that Xen's loader takes into its table for a payload."""
    for symbol in payload.symbols:
        if symbol.name and symbol.kind not in (SECTION, FILE) and (
                0 < symbol.section < len(payload.sections)):
            flags = payload.sections[symbol.section].flags
            if flags & ALLOC and not (
                    flags & MERGE and symbol.name.startswith(".L")):
                yield symbol


def symbols_resolve(payload, names):
    """What the payload takes is in the binary's own table once, and is not freed
    when Xen has booted. What the payload has begins with a name of the project's:
    Xen refuses to load a symbol that it or any loaded payload has."""
    needs = {s.name: once(names, s.name) for s in payload.symbols
             if s.section == 0 and s.name}
    begin, end = once(names, "__init_begin"), once(names, "__init_end")
    freed = sorted(name for name in needs if begin <= needs[name] < end)
    if freed:
        raise Shut("symbols", "freed when Xen has booted: " + ", ".join(freed))
    plain = sorted({s.name for s in own_symbols(payload)
                    if not s.name.startswith(OWN)})
    if plain:
        raise Shut("symbols", f"names that do not begin with {OWN}: "
                   + ", ".join(plain))
    return f"{len(needs)} symbols are in the binary's own table"


def no_second_data(payload, names, files):
    """No variable of Xen's is in the payload, where it would be another one. A
    table that is constant but for relocations may be. The compiler numbers the
    static variables of functions, and the numbers differ."""
    plain = lambda name: re.sub(r"\.\d+$", "", name.removeprefix(OWN))
    theirs = {plain(name) for name in names}
    for name in names:
        path, _, rest = name.partition("#")
        if path in files:
            theirs.add(plain(rest))
    twice = sorted({s.name for s in payload.symbols
                    if s.kind == 1 and 0 < s.section < 0xff00
                    and payload.sections[s.section].flags & WRITE
                    and not payload.sections[s.section].name.startswith(
                        ".data.rel.ro")
                    and plain(s.name) in theirs})
    if twice:
        raise Shut("data", "variables of Xen's own are in the payload as well: "
                   + ", ".join(twice))
    return "no variable of Xen's is in the payload"


def sections_known(payload):
    """Only sections and relocations that Xen's loader knows, and no data that
    needs more than the loader gives."""
    odd = []
    for section in payload.sections:
        if section.flags & ALLOC and section.size and not (
                WRITABLE if section.flags & WRITE else READ_ONLY
        ).match(section.name):
            odd.append(section.name)
    if odd:
        raise Shut("sections", "Xen's loader does not know these, or they do "
                   "not belong in a payload: " + ", ".join(sorted(set(odd))))
    kinds = {kind for section, _, kind, _, _ in payload.relocations()
             if section.flags & ALLOC} - RELOCATIONS
    if kinds:
        raise Shut("sections", f"relocations of types {sorted(kinds)}")
    if any(s.section == 0xfff2 for s in payload.symbols):
        raise Shut("sections", "a common symbol")
    return "all sections are known to Xen's loader"


def depends_on(payload, build_id):
    for name in (".livepatch.depends", ".livepatch.xen_depends"):
        if payload.build_id(name) != build_id:
            raise Shut("build-id", f"{name} has {payload.build_id(name)}, and the "
                       f"binary is {build_id}")
    if not payload.build_id():
        raise Shut("build-id", "the payload has no build-id of its own")
    return f"the payload depends on {build_id}"


def hooks_checked(payload, syms, names):
    """What is called indirectly begins with endbr64: on hardware with CET it would
    otherwise be refused. That holds for functions of the payload's and of Xen's.
    Xen takes the endbr64 from some of its own when it boots."""
    functions = {(s.section, s.value): s.name for s in payload.symbols
                 if s.kind == 2}
    begin, end = (once(names, f"__initdata_cf_clobber_{edge}")
                  for edge in ("start", "end"))
    lost = {address for address, in struct.iter_unpack(
        "<Q", syms.at(begin, end - begin))}
    bad, taken = set(), set()

    def take(symbol, addend):
        if not symbol.section:
            address = once(names, symbol.name) + addend
            if not syms.executes(address):
                return
            name = symbol.name
            code = b"" if address in lost else syms.at(address, 4)
        elif symbol.section < 0xff00 and (
                payload.sections[symbol.section].flags & EXECUTE):
            name = functions.get((symbol.section, symbol.value + addend))
            code = payload.bytes(payload.sections[symbol.section],
                                 symbol.value + addend, 4)
        else:
            return
        taken.add(name)
        if code != ENDBR64:
            bad.add(name or f"{symbol.name}+{addend:#x}")

    for section, offset, kind, symbol, addend in payload.relocations():
        if section.name == ".livepatch.funcs":
            continue            # Xen jumps there directly
        if section.flags & EXECUTE:
            # "lea": the address of a function, to be called later.
            code = payload.bytes(section, max(offset - 3, 0), 3)
            if kind == 2 and code[-2:-1] == b"\x8d" and (
                    code[-1] & 0xc7) == 5:
                take(symbol, addend + 4)
        elif kind == 1:
            take(symbol, addend)
    if bad:
        raise Shut("cf_check", "called indirectly, without endbr64: "
                   + ", ".join(sorted(bad)))
    return f"{len(taken)} functions are called indirectly, all by endbr64"


# ---- The functions that are replaced -----------------------------------------

def expected(syms, address, size, length=16):
    """The first bytes of a function, for Xen to compare. None of them may be one
    that Xen itself changes when it boots."""
    length = min(length, size)
    need = JUMP + (len(ENDBR64) if syms.at(address, 4) == ENDBR64 else 0)
    if size < need:
        raise Shut("expect", f"the function at {address:#x} is too short")
    start, end = (next((s.value for s in syms.symbols if s.name == name), None)
                  for name in ("__alt_instructions", "__alt_instructions_end"))
    if start is None or end is None:
        raise Shut("expect", "the binary's list of alternatives is not found")
    # struct alt_instr: two offsets, a feature, and four lengths.
    if (end - start) % 14:
        raise Shut("expect", "the binary's list of alternatives has entries of "
                   "another size")
    for at in range(start, end, 14):
        offset, _, _, length_old, *_ = struct.unpack("<iiHBBBB",
                                                     syms.at(at, 14))
        begin = at + offset
        if address < begin + length_old and begin < address + length:
            raise Shut("expect", f"Xen itself changes bytes at {begin:#x} when "
                       f"it boots, in the function at {address:#x}")
    return syms.at(address, length)


# ---- Caller-saved registers ---------------------------------------------------

REGISTERS = {}
for wide, *narrow in (
        ["rax", "eax", "ax", "al", "ah"], ["rcx", "ecx", "cx", "cl", "ch"],
        ["rdx", "edx", "dx", "dl", "dh"], ["rsi", "esi", "si", "sil"],
        ["rdi", "edi", "di", "dil"], *(
            [f"r{n}", f"r{n}d", f"r{n}w", f"r{n}b"] for n in range(8, 12))):
    for register in (wide, *narrow):
        REGISTERS[register] = wide
CALLER_SAVED = frozenset(REGISTERS.values())
# Instructions that write their first operand, and those that write registers that
# are not among their operands. No other one counts.
WRITES = re.compile(
    r"(mov|movabs|movzx|movsxd?|lea|add|sub|and|or|xor|adc|sbb|inc|dec|neg|not|pop"
    r"|sh[lr]d?|sa[lr]|ro[lr]|rc[lr]|imul|bs[fr]|bswap|popcnt|[lt]zcnt|xchg|xadd"
    r"|set[a-z]+|cmov[a-z]+)$")
IMPLIED = {
    "cdq": "rdx", "cqo": "rdx", "cdqe": "rax", "mul": "rax rdx",
    "imul": "rax rdx", "div": "rax rdx", "idiv": "rax rdx", "cmpxchg": "rax",
    "cmpxchg16b": "rax rdx", "cpuid": "rax rcx rdx", "rdtsc": "rax rdx",
    "rdmsr": "rax rdx", "movs": "rsi rdi rcx", "stos": "rdi rcx",
    "cmps": "rsi rdi rcx", "scas": "rdi rcx",
}


class Code:
    """The disassembled functions of a linked file."""

    def __init__(self, path):
        self.functions, self.memo = {}, {}
        self.jumped_to = collections.defaultdict(list)
        head = re.compile(r"^([0-9a-f]+) <(.*)>:$")
        line_of = re.compile(r"^ *([0-9a-f]+):\t(.*)$")
        start, lines = None, []
        for line in output("objdump", "-d", "-M", "intel",
                           "--no-show-raw-insn", "--section=.text",
                           path).splitlines():
            found = line_of.match(line)
            if found:
                lines.append(split(found[2]))
                to = lines[-1][2]
                if to is not None:
                    self.jumped_to[to].append((start, int(found[1], 16)))
                continue
            found = head.match(line)
            if found:
                start, lines = int(found[1], 16), []
                self.functions[start] = (found[2], lines)

    def name(self, start):
        return self.functions[start][0]

    def changes(self, start):
        """The registers that a function writes, or one that it calls or jumps to.
        It is no more than that: a circle of calls is followed once."""
        if start not in self.functions:
            return frozenset()
        if start in self.memo:
            return self.memo[start]
        self.memo[start] = found = set()
        for mnemonic, operands, to in self.functions[start][1]:
            if to is not None:
                if to in self.functions and to != start:
                    found |= self.changes(to)
            else:
                first, _, rest = operands.partition(",")
                alone = mnemonic == "imul" and not rest
                if WRITES.match(mnemonic) and not alone and first in REGISTERS:
                    found.add(REGISTERS[first])
                if mnemonic != "imul" or alone:
                    found.update(IMPLIED.get(mnemonic, "").split())
                if mnemonic in ("xchg", "xadd"):
                    found.update(REGISTERS[r] for r in (rest,)
                                 if r in REGISTERS)
            if found == CALLER_SAVED:
                break
        return found


def split(text):
    """(mnemonic, operands, address of a direct call or jump or None)"""
    text = re.sub(r"\s+#.*$", "", text)
    text = re.sub(r"^((lock|repz|repnz|rep|bnd|notrack|cs|ds|data16) +)+(?=\w)",
                  "", text)
    found = re.match(r"(call|j\w+) +(?:0x)?([0-9a-f]+) <", text)
    mnemonic, _, operands = text.partition(" ")
    return mnemonic, operands.strip(), int(found[2], 16) if found else None


def registers_free(code, functions):
    """No caller keeps a value in a caller-saved register across a replaced
    function. GCC does that (-fipa-ra) where it knows that a function, with all
    that this calls, leaves the register as it is. So the function in the binary
    has to change each of them. functions: name -> address."""
    for name, start in functions.items():
        kept = CALLER_SAVED - code.changes(start)
        if kept:
            raise Shut("registers", f"{name} leaves {' '.join(sorted(kept))} as "
                       "they are, so its callers may have values there")
    return ("the replaced functions change all caller-saved registers, so no "
            "caller has a value there")


def not_entered(code, functions):
    """No code jumps into the first bytes of a function, but to the first."""
    for name, start in functions.items():
        for to in range(start + 1, start + JUMP + len(ENDBR64)):
            for caller, at in code.jumped_to.get(to, ()):
                raise Shut("expect", f"{code.name(caller)} jumps into the first "
                           f"bytes of {name} at {at:#x}")
    return "nothing jumps into the bytes that are replaced"
