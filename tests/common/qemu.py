# SPDX-License-Identifier: MIT
"""Boots a guest in QEMU and decides from its console whether the run passed.

Shared by tests/xen/run and tests/linux/run. TAP lines go to stdout, the whole
console to a file. QEMU is stopped at the guest's closing line, or at the time
limit. Xen's messages about its own faults (ASSERT, BUG, WARN, UBSAN, a crash)
fail the run; its messages about the guest's errors do not.
"""
import gzip
import os
import re
import select
import shutil
import subprocess
import tempfile
import time

QEMU = "qemu-system-x86_64"
# The serial line is the guest's only device for input and output.
MACHINE = [QEMU, "-accel", "tcg", "-display", "none", "-serial", "stdio",
           "-monitor", "none", "-no-reboot", "-net", "none"]
# Xen's options: the console, and mitigations off for a fair comparison.
CONSOLE = "console=com1 com1=115200,8n1 loglvl=warning"
XEN_OPTIONS = f"{CONSOLE} spec-ctrl=no xpti=no pv-l1tf=no"
# Xen's defaults for a CPU with Meltdown, L1TF and similar flaws (CPU_FLAWED).
# pv-l1tf=yes is added because Xen's default leaves dom0 out.
XEN_OPTIONS_MITIGATED = f"{CONSOLE} pv-l1tf=yes"
CPU_FLAWED = ",vendor=GenuineIntel"
TAP = re.compile(r"^(ok|not ok|1\.\.|#|Bail out!)")
PLAN = re.compile(r"1\.\.(\d+)")
WHOLE = re.compile(r"(ok|not ok) \d|1\.\.|Bail out!")
# Xen's messages about faults of its own.
XEN_BAD = re.compile(
    r"^\(XEN\).*(Assertion|ASSERT|\bBUG\b|\bWARN\b|WARNING|UBSAN|Xen call trace"
    r"|FATAL|[Pp]anic|Debugger|domain_crash|Domain \d+ .*crashed"
    r"|Freeing a page|[Bb]ad page|List of)")
# Harmless boot messages: those of any debug build, and those about QEMU's
# machine, the PV shim's scheduler and a PVH dom0.
XEN_FINE = re.compile(
    r"debug build|CONSOLE OUTPUT IS SYNCHRONOUS|SPECULATIVE|Speculative"
    r"|UBSAN.*enabled|^\(XEN\) (Std|Guest) Loglevel"
    r"|WARNING: This is experimental software"
    r"|WARNING: PVH is an experimental mode")


def lacking(parts):
    """Checks that QEMU and the given files exist. parts maps each path to a
    description of the file. Returns 0 if all exist. Otherwise prints the reason
    and returns the exit status: 77 (skipped) without QEMU, 1 without a file."""
    if not shutil.which(QEMU):
        print(f"1..0 # SKIP {QEMU} is not installed")
        return 77
    for path, what in parts.items():
        if not os.path.exists(path):
            print(f"Bail out! no {what} at {path}")
            return 1
    return 0


def version(path):
    """Returns the version of a hypervisor or kernel, from the file that
    tools/xen-image and tools/linux-image leave beside it."""
    try:
        with open(os.path.join(os.path.dirname(path), "version"),
                  encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def differ(stock, patched):
    """Returns a warning if the figures are of two versions of Xen, or ""."""
    return "" if stock == patched else (
        f"# NOTE: stock Xen is {stock} and patched Xen {patched}; their figures "
        "differ by more than the handlers\n")


def comma(text):
    """Escapes commas for QEMU's -initrd, which takes a comma as a separator."""
    return text.replace(",", ",,")


class Unpacked:
    """A hypervisor image for QEMU. A .gz is unpacked to a temporary file, since
    QEMU does not take it compressed."""

    def __init__(self, path):
        self.path, self.folder = path, None

    def __enter__(self):
        if not self.path or not self.path.endswith(".gz"):
            return self.path
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "xen")
        with gzip.open(self.path) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        return path

    def __exit__(self, *_):
        if self.folder:
            self.folder.cleanup()


def console(qemu, deadline):
    """Yields the console's lines until QEMU exits or the deadline passes."""
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        if not select.select([qemu.stdout], [], [], left)[0]:
            return
        data = os.read(qemu.stdout.fileno(), 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace").replace("\r", "")
            yield re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|c)", "", text)


def mend(lines, closing):
    """Joins the two parts of a guest's line between which Xen printed a line of
    its own. This happens because a guest writes a line in pieces. The joined
    line is yielded after Xen's."""
    cut = ""
    for line in lines:
        start, xen, text = line.partition("(XEN) ")
        if cut and (WHOLE.match(start) or closing.match(start)):
            yield cut  # the guest had already finished that line
            cut = ""
        cut += start
        if xen:
            yield xen + text
        else:
            yield cut
            cut = ""
    if cut:
        yield cut


class Run:
    """One run and its result. done is the number in the closing line, or None
    without such a line; ran is the number of tests that ran; why lists the
    reasons for which the run failed, and is empty if it passed."""

    def __init__(self, o, command, closing, forward=TAP, bad=None, fatal=None,
                 excused=None, expect=()):
        """All patterns are compiled, except those of expect.
        closing   ends the run; its group is the number of failures
        forward   lines to copy to stdout
        bad       a matching line fails the run
        fatal     a matching line fails the run and ends it
        excused   a pair of patterns; bad is ignored from a match of the first
                  to a match of the second
        expect    the run fails if one of these matches no line"""
        self.done, self.ran, failed, plan, complaints = None, 0, 0, None, []
        excusing = False
        log = open(o.log or os.devnull, "w", encoding="utf-8")
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        try:
            for line in mend(console(qemu, time.monotonic() + o.timeout),
                             closing):
                log.write(line + "\n")
                log.flush()
                expect = [e for e in expect if not re.search(e, line)]
                if forward.match(line) and not o.quiet:
                    print(line, flush=True)
                if line.startswith("ok "):
                    self.ran += 1
                elif line.startswith("not ok "):
                    self.ran, failed = self.ran + 1, failed + 1
                elif PLAN.match(line):
                    plan = (plan or 0) + int(PLAN.match(line)[1])
                elif line.startswith("1.."):
                    complaints.append(line)
                elif XEN_FINE.search(line):
                    pass
                elif XEN_BAD.match(line):
                    complaints.append(line)
                elif line.startswith("qemu-system"):
                    complaints.append(line)
                elif fatal and fatal.search(line):
                    complaints.append(line)
                    break
                elif excusing:
                    excusing = not excused[1].search(line)
                elif excused and excused[0].search(line):
                    excusing = True
                elif bad and bad.search(line):
                    complaints.append(line)
                match = closing.match(line)
                if match:
                    self.done = int(match.group(1))
                    break
        finally:
            log.close()
            qemu.terminate()
            try:
                qemu.wait(10)
            except subprocess.TimeoutExpired:
                qemu.kill()
                qemu.wait()

        self.why = []
        if self.done is None:
            self.why.append(f"no closing line (time limit {o.timeout} s), "
                            f"see {o.log or 'the console (--log)'}")
        elif self.done or failed:
            self.why.append(f"{max(self.done, failed)} failed")
        if plan is not None and plan != self.ran:
            self.why.append(f"{plan} tests were planned, {self.ran} ran")
        self.why += [f"on the console: {c}" for c in complaints]
        self.why += [f"not on the console: {e}" for e in expect]

    def verdict(self, name, guest):
        """Prints the reasons of a failure, if any. Returns the exit status."""
        for reason in self.why:
            print(f"# {name}: {reason}", flush=True)
        if self.done is None:
            print(f"Bail out! the {guest} did not finish")
        return 1 if self.why else 0
