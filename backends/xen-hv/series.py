# SPDX-License-Identifier: MIT
"""The patches that "install --series" and "install --patch" write: what each of
them contains, says and costs. install has the lines of Xen's own files.

A file of the project's own comes with one patch, or piece by piece. A piece is a
section, which begins with a line "/* --- Title --- */". What stands before the
first and after the last section comes with the first of its pieces.
"""

import collections
import csv
import difflib
import os
import re
import time

IN_PLACE, VALIDATION, UPDATES, RUNS, VALUES, TRAPS, DOCUMENTS = range(1, 8)

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = os.path.join(HERE, "series.csv")
TEST = os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests/xtf/ptebatch")
GUARD = "PTEBATCH_XEN_PTEBATCH_H"

# What comes with which patch: a whole file, or by the titles of its sections.
PIECES = {
    "hooks.h": {
        "Parts that can be turned off": IN_PLACE,
        "The type count in place": IN_PLACE,
        "Validation and devalidation": VALIDATION,
        "Updates": UPDATES,
        "Trapped writes": TRAPS,
    },
    "tree.h": {
        "Frames": IN_PLACE,
        "Tables": UPDATES,
        "Atomic changes": IN_PLACE,
        "L1TF": VALIDATION,
    },
    "l1.h": {
        "Whose entries, and what is counted": IN_PLACE,
        "Constants": IN_PLACE,
        "The count of writable mappings": IN_PLACE,
        "Both references of an entry": VALIDATION,
        "The flags of an entry": IN_PLACE,
        "The value of an entry": UPDATES,
        "One table": UPDATES,
        "One entry alone": UPDATES,
        "The flags of one entry alone": RUNS,
    },
    "l1.c": {
        "The switch": IN_PLACE,
        "The count of writable mappings": IN_PLACE,
        "The table": UPDATES,
        "Many values": UPDATES,
        "One entry alone": UPDATES,
        "The flags of one entry alone": RUNS,
        "The type count in place": IN_PLACE,
    },
    "validate.c": VALIDATION,
    "update.c": UPDATES,
    "calls.c": RUNS,
    "calls.h": RUNS,
    "runs.c": RUNS,
    "xen-ptebatch.h": RUNS,
    "values.c": VALUES,
    "decode.h": TRAPS,
    "trap.c": TRAPS,
    "pv-l1-engine.md": DOCUMENTS,
    "Makefile": IN_PLACE,       # and the line of each object with its source
}

# A row of tests/xen/bench. "before" and "after" are of Xen without and with the
# patch, the patches before it applied. tests/xen/series measures them.
Figure = collections.namedtuple("Figure", "label method pages direction")
Step = collections.namedtuple("Step", "slug subject why figures")

STEPS = {
    IN_PLACE: Step(
        "type-count-in-place",
        "x86/pv: keep the reference where only RW of an L1 entry changes",
        """\
When a guest changes RW in an L1 entry and nothing else of importance,
mod_l1_entry() takes a general and a type reference to the page for the
new entry, and then drops those that the old entry held. The page is the
same, so all but one of these steps cancel out.

The entry keeps its general reference. One type reference comes or goes,
by one cmpxchg of type_info, where the page is the caller's own and
already has type PGT_writable_page. In all other cases get_page_type()
and put_page_type() do the work, or mod_l1_entry() continues as before.

This is the first part of an engine for updates of L1 entries. The
command line option "ptebatch" turns its parts on and off; the later
parts come with the patches that follow.
""",
        (Figure("mmu_update of 512 entries, RW to RO",
                "guest-mmu-update", 512, "ro"),
         Figure("mmu_update of 512 entries, RO to RW",
                "guest-mmu-update", 512, "rw"),
         Figure("mmu_update of one entry, RW to RO",
                "guest-mmu-update-one", 512, "ro"),
         Figure("update_va_mapping with INVLPG, RW to RO",
                "guest-update-va", 512, "ro"))),
    VALIDATION: Step(
        "validation",
        "x86/pv: skip empty slots when a page table is validated",
        """\
A process has few of the entries that its page tables have slots for.
The loops that validate and devalidate a table look at each slot alone
nevertheless.

Look at sixteen slots together, at all four levels, and skip those that
are all zeros. Take the references of a present L1 entry that maps an
ordinary page of the table's owner by the inline versions of get_page(),
put_page() and the type count. Every other entry goes to the functions
that handled it before, and the state of a table that is validated in
part keeps its meaning.
""",
        (Figure("pin: a present entry, read-only",
                "guest-pin", 512, "present-ro"),
         Figure("pin: an empty L1 slot", "guest-pin", 512, "empty"),
         Figure("pin: an empty L2 slot", "guest-pin", 512, "empty-l2"),
         Figure("unpin: a present entry, read-only",
                "guest-unpin", 512, "present-ro"),
         Figure("unpin: an empty L1 slot", "guest-unpin", 512, "empty"))),
    UPDATES: Step(
        "mmu-update",
        "x86/pv: lock an L1 table once for consecutive updates",
        """\
mmu_update looks up, references, maps and locks the table for each
request, even where the request before it named the same table, as
nearly all do.

Hold the lock over consecutive requests for one L1 table, and change
ordinary entries by a loop that has everything outside that is the same
for all of them. Give the lock up regularly where another vCPU waits for
the table. Requests to memory that is not a page table are stored in the
same way. A single request, and update_va_mapping, use a shorter
sequence of the same steps.

The body of do_mmu_update() becomes an inline function, which is compiled
twice: as it was, and as mmu_update(), which continues wherever the engine
stops: at a request that the engine does not take, that fails, or when it
is time to be preempted. So errors and continuations are what they were.
""",
        (Figure("mmu_update of 512 entries, RW to RO",
                "guest-mmu-update", 512, "ro"),
         Figure("mmu_update of 512 entries, RO to RW",
                "guest-mmu-update", 512, "rw"),
         Figure("mmu_update of 32 entries, RW to RO",
                "guest-mmu-update-32", 512, "ro"),
         Figure("mmu_update of one entry, RW to RO",
                "guest-mmu-update-one", 512, "ro"),
         Figure("mmu_update of one entry, map",
                "guest-mmu-update-one", 512, "map"),
         Figure("mmu_update of one entry, unmap",
                "guest-mmu-update-one", 512, "unmap"),
         Figure("update_va_mapping with INVLPG, RW to RO",
                "guest-update-va", 512, "ro"),
         Figure("update_va_mapping with INVLPG, map",
                "guest-update-va", 512, "map"),
         Figure("update_va_mapping with INVLPG, unmap",
                "guest-update-va", 512, "unmap"))),
    RUNS: Step(
        "runs",
        "x86/pv: add a hypercall for runs of L1 entries",
        """\
mmu_update takes a full value for each entry. It can neither clear A and
D atomically nor say what an entry was, so guests write to the table
instead, and Xen emulates each such instruction.

Add ptebatch_runs, which makes the same change of flags, or
get-and-clear, to a run of neighbouring entries. One run fits into
registers, and so does one full value. The TLB flush is part of the same
call. An entry that the engine does not take goes to get_page_from_l1e()
and put_page_from_l1e(), or to mod_l1_entry().

The call is for 64-bit PV guests only. All others get -ENOSYS, and so do
all where the call is turned off, at compile time, at boot or while
guests run. The public header describes this call and ptebatch_values,
which the next patch adds.
""",
        (Figure("512 entries, RW to RO", "flags", 512, "ro"),
         Figure("512 entries, RO to RW", "flags", 512, "rw"),
         Figure("512 entries, NX", "flags", 512, "nx"),
         Figure("512 entries, get-and-clear", "exchange", 512, "clear"),
         Figure("512 entries, test-and-clear A", "age", 512, "young"),
         Figure("one entry with INVLPG, RW to RO", "x-one-invlpg", 1, "ro"))),
    VALUES: Step(
        "values",
        "x86/pv: add a hypercall for full values of L1 entries",
        """\
Changes that are not the same for all entries need full values.

Add ptebatch_values, which takes an array in the layout of mmu_update_t.
It differs from mmu_update in that the TLB flush is part of the same
call, and in that progress and error are in the answer, so that no
memory is written. An entry costs the same as by mmu_update. What is
saved is one hypercall for each batch.
""",
        (Figure("512 entries, RW to RO", "values", 512, "ro"),
         Figure("512 entries, RO to RW", "values", 512, "rw"))),
    TRAPS: Step(
        "trapped-writes",
        "x86/pv: execute common writes to L1 tables without the emulator",
        """\
A guest's kernel that writes to a read-only mapped L1 table faults, and
Xen emulates the instruction. Kernels use a handful of instructions for
that.

Decode these forms alone, change the entry by the engine, and set the
registers and flags as the instruction would have. Every other
instruction, and every entry that the engine does not take, goes to the
emulator as before. This part is off by default.
""",
        (Figure("mov, RW to RO", "guest-trapped-mov", 512, "ro"),
         Figure("xchg, RW to RO", "guest-trapped-xchg", 512, "ro"))),
    DOCUMENTS: Step(
        "documents",
        "x86/pv: document the engine for L1 entries",
        """\
Describe the command line option and the state of support, and add the
design with the argument why the engine is safe.
""",
        ()),
}

# The one patch.
WHOLE = Step(
    "ptebatch", "x86/pv: shorten page-table updates of PV guests",
    """\
Nearly all that a 64-bit PV guest pays for a page-table update is spent
in Xen, and most of it is the same for all entries of a table, or
cancels out.

Add an engine that changes ordinary L1 entries of the caller's own
tables, one table at a time, and leaves every other entry to the code
that is there. It serves mmu_update, update_va_mapping and the
validation of page tables, and two new hypercalls: ptebatch_runs (the
same change of flags, or get-and-clear, over runs of entries) and
ptebatch_values (full values). The TLB flush is part of these calls.

The interface is described in public/arch-x86/xen-ptebatch.h, and the
design in docs/designs.
""", ())

# For XTF's tree.
XTF = Step("test", "tests: add a functional test of PV page-table updates", """\
The test changes L1 entries by mmu_update and update_va_mapping and,
where Xen has them, by the hypercalls ptebatch_runs and ptebatch_values.
Each entry and each answer is compared with what it has to be.
""", ())


class Problem(Exception):
    pass


# ---- What comes with which patch --------------------------------------------

SECTION = re.compile(r"^/\* --- (.+?) -+ \*/\n", re.M)
TAIL = re.compile(r"^(?:/\*\n \* Local variables:|#endif [^\n]*\n\Z)", re.M)


def own(name, text, step, names):
    """A file of the project's own as of that patch; None: it is not there yet.
    names: all files."""
    pieces = PIECES.get(name)
    if pieces is None:
        raise Problem(f"no patch of the series has {name}")
    if name == "Makefile":
        text = re.sub(r"^obj-y \+= (\w+)\.o\n", lambda line: line[0]
                      if f"{line[1]}.c" in names and
                      own(f"{line[1]}.c", names[f"{line[1]}.c"], step, names)
                      else "", text, flags=re.M)
    if isinstance(pieces, int):
        return text if pieces <= step else None
    tail = TAIL.search(text)
    if not tail:
        raise Problem(f"the end of {name} is not known")
    starts = list(SECTION.finditer(text))
    if {start[1] for start in starts} - set(pieces):
        raise Problem(f"no patch of the series has these sections of {name}: "
                      + "; ".join({start[1] for start in starts} - set(pieces)))
    if min(pieces[start[1]] for start in starts) > step:
        return None
    ends = [start.start() for start in starts[1:]] + [tail.start()]
    return (text[:starts[0].start()]
            + "".join(text[start.start():end]
                      for start, end in zip(starts, ends)
                      if pieces[start[1]] <= step)
            + text[tail.start():])


# ---- How patches differ from what is put into a tree ------------------------

def public_names(header):
    return set(re.findall(r"^#define (PTEBATCH_\w+)", header, re.M) +
               re.findall(r"\bstruct (ptebatch_\w+) \{", header))


def upstream(path, text, names):
    """The same file as a patch has it: the public header's names begin with xen_
    and XEN_, and the entry in Kconfig is for experts only."""
    if path.endswith("Kconfig"):
        head, entry, rest = text.partition("config PTEBATCH\n")
        rest = re.sub(r'^(\tbool "[^"]*")\n', r"\1 if EXPERT\n", rest, 1, re.M)
        rest = rest.replace("\tdefault y\n", "\tdefault n\n", 1)
        rest = rest.replace("If unsure, say Y.", "If unsure, say N.", 1)
        return head + entry + rest if entry else text
    text = text.replace(GUARD, "XEN_PUBLIC_ARCH_X86_PTEBATCH_H")
    if path.endswith("xen-ptebatch.h"):
        text, found = re.subn(
            r" The library includes it after\n \* <ptebatch/port\.h>;[^.]*"
            r"\bpublic/arch-x86/xen-ptebatch\.h\. ", "\n * ", text)
        if found != 1:
            raise Problem(f"{path} no longer says how the library has it")

    def renamed(match):
        name, star = match.groups()
        if name in names or star and any(n.startswith(name) for n in names):
            return ("XEN_" if name.isupper() else "xen_") + match[0]
        return match[0]

    return filled(re.sub(r"\b((?:PTEBATCH|ptebatch)_\w*)(\*?)", renamed, text))


def filled(text):
    """The same with at most 80 columns in block comments: words that do not fit
    go to the line that follows, if that continues the paragraph, or to a new
    one."""
    lines, out = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        out.append(line)
        found = re.match(r"( +\* +)(?:- )?\S", line)
        if not found or len(line) <= 80:
            continue
        at = line.rindex(" ", 0, 81)
        out[-1], rest = line[:at].rstrip(), line[at + 1:]
        after = re.match(r"( +\* +)(?!- )\S", lines[0])
        if after and len(after[1]) >= len(found[1]):
            lines[0] = after[1] + rest + " " + lines[0][len(after[1]):]
        else:
            lines.insert(0, found[1] + "  " * ("- " in found[0]) + rest)
    return "\n".join(out)


def support(text):
    """SUPPORT.md with an entry of its own."""
    head, title, rest = text.partition("## Memory Management\n\n")
    if not title:
        raise Problem("anchor missing in SUPPORT.md: Memory Management")
    return (head + title +
            "### x86/PV: short ways for page-table updates\n"
            "\n"
            "Updates of L1 entries of 64-bit PV guests in fewer steps, and the\n"
            "hypercalls ptebatch_runs and ptebatch_values (CONFIG_PTEBATCH).\n"
            "\n"
            "    Status: Experimental\n"
            "\n" + rest)


def changelog(text):
    """CHANGELOG.md with a line under Added, in the newest release."""
    releases = [m.start() for m in re.finditer(r"^## \[", text, re.M)]
    if len(releases) < 2:
        raise Problem("anchor missing in CHANGELOG.md: two releases")
    first, second = releases[:2]
    head, newest, rest = text[:first], text[first:second], text[second:]
    line = (" - On x86, page-table updates of 64-bit PV guests in fewer steps, and\n"
            "   hypercalls for batches of them (CONFIG_PTEBATCH, experimental).\n")
    if "### Added\n" in newest:
        newest = newest.replace("### Added\n", "### Added\n" + line, 1)
    else:
        newest = newest.rstrip("\n") + "\n\n### Added\n" + line + "\n"
    return head + newest + rest


DOCUMENT_FILES = {"SUPPORT.md": support, "CHANGELOG.md": changelog}


# ---- Figures ----------------------------------------------------------------

def measured():
    """(slug, figure) -> (before, after), in instructions an entry."""
    if not os.path.isfile(FIGURES):
        return {}
    with open(FIGURES, encoding="utf-8", newline="") as file:
        return {(row["patch"], Figure("", row["method"], int(row["pages"]),
                                      row["direction"])):
                (row["before"], row["after"]) for row in csv.DictReader(file)}


def figures(step):
    known = measured()
    rows = [(figure.label, *known[step.slug, figure._replace(label="")])
            for figure in step.figures
            if (step.slug, figure._replace(label="")) in known]
    if not rows:
        return ""
    width = max(len(label) for label, _, _ in rows)
    return ("\nInstructions an entry, counted in QEMU, with what the guest spends:\n\n"
            + f"  {'':{width}}  before   after\n"
            + "".join(f"  {label:{width}}  {before:>6}  {after:>6}\n"
                      for label, before, after in rows))


# ---- Patches ----------------------------------------------------------------

def diff(old, new):
    """Two sets of files, path -> text or None, as git has it."""
    out = []
    for path in sorted(new):
        before, after = old.get(path), new[path]
        if before == after:
            continue
        out.append(f"diff --git a/{path} b/{path}\n")
        if before is None:
            out.append("new file mode 100644\n")
        out += difflib.unified_diff(
            (before or "").splitlines(True), after.splitlines(True),
            "/dev/null" if before is None else f"a/{path}", f"b/{path}")
    return "".join(out)


def mail(step, changes, sender, signed, prefix):
    day = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(
        int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    return (f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n"
            f"From: {sender}\nDate: {day}\n"
            f"Subject: [PATCH{prefix}] {step.subject}\n\n"
            f"{step.why}{figures(step)}"
            + (f"\nSigned-off-by: {sender}\n" if signed else "")
            + f"---\n{changes}-- \nlibptebatch\n")


def write(folder, stages, sender, signed):
    """The patches between consecutive stages: (step, files) pairs, of which the
    first has the tree as it is. And one for XTF's tree, which has copies of the
    public headers."""
    found = [(STEPS[step], diff(old, new))
             for (_, old), (step, new) in zip(stages, stages[1:])]
    found = [(step, changes) for step, changes in found if changes]
    test = {}
    for name in ("Makefile", "main.c"):
        with open(os.path.join(TEST, name), encoding="utf-8") as file:
            test[f"tests/ptebatch/{name}"] = file.read()
    test["include/xen/arch-x86/xen-ptebatch.h"] = \
        stages[-1][1]["xen/include/public/arch-x86/xen-ptebatch.h"]
    os.makedirs(os.path.join(folder, "xtf"))
    for i, (where, step, changes) in enumerate(
            [("", *patch) for patch in found]
            + [("xtf", XTF, diff({}, test))], 1):
        if where:
            i, mark = 1, " xtf"
        else:
            mark = f" {i}/{len(found)}"
        path = os.path.join(folder, where, f"{i:04}-{step.slug}.patch")
        with open(path, "w", encoding="utf-8") as file:
            file.write(mail(step, changes, sender, signed, mark))
        print(f"  {path}: {step.subject}")
