# SPDX-License-Identifier: MIT
"""What the tools that take things from Debian's archive share.

    debian.apt("trixie", folder, "download", "xen-hypervisor-4.20-amd64")

Debian's package tools fetch and verify, by a private configuration for one
suite, made from the sources that the machine's own configuration names: a
suite that it does not name is looked for at the same places. The machine's
configuration, package lists and installed packages stay as they are, and play
no part.

All is kept in .cache at the top of the checkout, or in $PTEBATCH_CACHE. What
an interrupted run leaves behind there is never taken for the real thing.
"""

import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys

# Command -> Debian package that has it.
FETCH_TOOLS = {"apt-get": "apt", "dpkg-deb": "dpkg"}
PROGRAM_TOOLS = {"objdump": "binutils", **FETCH_TOOLS}
SOURCE_TOOLS = {"dpkg-source": "dpkg-dev", "xz": "xz-utils", **FETCH_TOOLS}

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.abspath(os.environ.get("PTEBATCH_CACHE")
                        or os.path.join(TOP, ".cache"))
PROGRAM = os.path.basename(sys.argv[0])
lock = None # the open file that is locked


class Failed(Exception):
    """What is wrong, said to the user."""


class Absent(Failed):
    """The archive itself says that it does not serve a file it lists, as
    mirrors do that keep parts only. The program's exit status is 77 then."""


def say(text):
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def need(tools):
    missing = sorted({package for tool, package in tools.items()
                      if not shutil.which(tool)})
    if missing:
        raise Failed("missing Debian packages: " + " ".join(missing))


# ---- The cache --------------------------------------------------------------

def cached(*names):
    return os.path.join(CACHE, *names)


class Again(Exception):
    """Somebody else has been at work: what was not there may be now."""


def alone():
    """From here on no other program changes the cache. Only who has something
    to make comes here; who finds it made waits for nobody."""
    global lock
    if lock:
        return
    lock = open(cached("lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another one to finish")
        fcntl.flock(lock, fcntl.LOCK_EX)
        raise Again from None


def scratch(name):
    """An empty folder; finish() makes it the real thing in one step."""
    alone()
    path = cached("unfinished-" + name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def finish(path, final):
    shutil.rmtree(final, ignore_errors=True)
    os.rename(path, final)
    return final


def main(makers, about):
    """The program: prints what the maker of the given name returns."""
    if len(sys.argv) == 2 and sys.argv[1] in ("-h", "--help"):
        print(about.strip())
        return
    if len(sys.argv) != 2 or sys.argv[1] not in makers:
        sys.exit(f"usage: {PROGRAM} " + "|".join(makers))
    try:
        os.makedirs(CACHE, exist_ok=True)
        while True:
            try:
                print(makers[sys.argv[1]]())
                return
            except Again:
                pass
    except Absent as reason:
        say(reason)
        sys.exit(77)
    except (Failed, OSError, subprocess.CalledProcessError) as reason:
        sys.exit(f"{PROGRAM}: {reason}")
    except KeyboardInterrupt:
        sys.exit(f"{PROGRAM}: interrupted")


# ---- The archive ------------------------------------------------------------

def machine_sources(suite):
    """(suites, components, how to say the same for the suite) of each source."""
    for path in ["/etc/apt/sources.list",
                 *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if not os.path.isfile(path):
            continue
        for line in open(path, encoding="utf-8"):
            match = re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#\n]*)",
                             line.strip())
            if match:
                options, uri, its, components = match.groups()
                yield ([its], components.split(), "list", "".join(
                    f"{kind} {options or ''}{uri} {suite} main\n"
                    for kind in ("deb", "deb-src")))
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        text = re.sub(r"^#.*\n", "", open(path, encoding="utf-8").read(),
                      flags=re.M)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {key.lower(): value.strip() for key, value in re.findall(
                r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)}
            if ("deb" not in fields.get("types", "").split()
                    or fields.get("enabled", "yes") in ("no", "false")):
                continue
            suites = fields["suites"].split()
            components = fields.get("components", "").split()
            fields.update(types="deb deb-src", suites=suite, components="main")
            yield suites, components, "sources", "".join(
                f"{key}: {value}\n" for key, value in fields.items()) + "\n"


def private_sources(suite):
    sources = [entry for entry in machine_sources(suite) if "main" in entry[1]]
    # The suite itself where the machine follows it, else the machine's own.
    for right in (lambda its: its == suite,
                  lambda its: re.fullmatch(
                      r"bookworm|trixie|forky|sid|oldstable|stable|testing"
                      r"|unstable", its)):
        chosen = [entry for entry in sources if any(map(right, entry[0]))]
        if chosen:
            return chosen
    raise Failed("the machine's apt configuration names no source for "
                 f"Debian's suite {suite}")


def environment(suite):
    """Under which apt sees the private configuration only."""
    def private(*names):
        return cached(f"apt-{suite}", *names)

    for folder in ("lists/partial", "cache/archives/partial", "sources",
                   "parts"):
        os.makedirs(private(folder), exist_ok=True)
    texts = {"list": "", "sources": ""}
    for _, _, form, text in private_sources(suite):
        texts[form] += text
    for form, text in texts.items():
        with open(private("sources", f"debian.{form}"), "w",
                  encoding="utf-8") as file:
            file.write(text)

    # The machine's settings (proxies and so on), but none of its hooks.
    config = subprocess.run(["apt-config", "dump"], check=True, text=True,
                            capture_output=True).stdout
    config = re.sub(r"^(APT::Update::P|DPkg::P|Dir::).*\n", "", config,
                    flags=re.M)
    config += f"""
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{private()}/parts";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{private()}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{private()}/parts";
Dir::State::status "/dev/null";
Dir::State::lists "{private()}/lists";
Dir::Cache "{private()}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Retries "3";
"""
    with open(private("apt.conf"), "w", encoding="utf-8") as file:
        file.write(config)
    return dict(os.environ, APT_CONFIG=private("apt.conf"), LC_ALL="C")


def apt(suite, folder, *args):
    """Runs apt-get in the folder, its chatter shown only if it fails."""
    result = subprocess.run(["apt-get", "-q", *args], cwd=folder,
                            env=environment(suite), text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        missing = re.search(r"^Err:\d+ .* (\S+) (\S+) \(.*\)\n +404 ",
                            result.stdout, re.M)
        if missing:
            raise Absent(f"Debian's archive, as this machine reaches it, does "
                         f"not serve {missing[1]} {missing[2]} of {suite} "
                         f"({args[0]})")
        sys.stderr.write(result.stdout)
        raise Failed(f"apt-get {' '.join(args)} failed")


def unpack(debs):
    """All of the folder's packages, into its root/."""
    for deb in sorted(glob.glob(f"{debs}/*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, f"{debs}/root"], check=True)
    return f"{debs}/root"


def needed(path):
    """Libraries that the program or library is linked to."""
    shown = subprocess.run(["objdump", "-p", path], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    return re.findall(r"^ *NEEDED +(\S+)$", shown, re.M)


def add_libraries(root, folder, wanted):
    """Copies the libraries from what unpack() left to the folder, and those
    that they need; programs there find them then."""
    libraries = {os.path.basename(path): path
                 for top in ("lib", "usr/lib") for path in
                 glob.glob(f"{root}/{top}/x86_64-linux-gnu/**/*.so*",
                           recursive=True)}
    os.makedirs(f"{folder}/lib/x86_64-linux-gnu")
    os.mkdir(f"{folder}/lib64")
    os.symlink("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
               f"{folder}/lib64/ld-linux-x86-64.so.2")
    wanted = list(wanted)
    for name in wanted:
        target = f"{folder}/lib/x86_64-linux-gnu/{name}"
        if os.path.exists(target):
            continue
        if name not in libraries:
            raise Failed(f"no package brings {name}")
        shutil.copy(libraries[name], target)
        wanted += needed(target)


def depends(suite, packages, wanted):
    """The packages, and all they depend on as far as names match wanted (the
    first of alternatives). apt has updated the suite's lists before."""
    found, new = set(), set(packages)
    while new:
        found |= new
        shown = subprocess.run(
            ["apt-cache", "show", "--no-all-versions", *sorted(new)],
            env=environment(suite), text=True, check=True,
            stdout=subprocess.PIPE).stdout
        new = {name for line in re.findall(r"^Depends: (.*)", shown, re.M)
               for name in re.findall(r"(?:^|, )([^ ,:]+)", line)
               if wanted.fullmatch(name)} - found
    return sorted(found)
