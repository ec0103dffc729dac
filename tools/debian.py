# SPDX-License-Identifier: MIT
"""What the tools that take things from Debian's archive share.

    archive = debian.Archive("trixie")
    archive.apt(folder, "download", "xen-hypervisor-4.20-amd64")

Debian's package tools fetch and verify, by a private configuration for one
suite and its security updates. It is made of those files of the machine's own
configuration that name a suite of Debian: a suite that none names is looked for
at the same places. The machine's configuration, package lists and installed
packages stay as they are, and play no part.

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
        if re.search(r"\s", CACHE):
            raise Failed("Xen and Linux are built in no path with a space, and "
                         f"the cache is {CACHE}: say another by PTEBATCH_CACHE")
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

DEBIAN = re.compile(r"(bookworm|trixie|forky|sid|oldstable|stable|testing"
                    r"|unstable)(-security|-updates)?")

# apt-get source takes what deb-src entries list. Here deb entries list it too.
CONFIG = """
APT::Default-Release "";
Acquire::IndexTargets::deb::Sources::MetaKey "$(COMPONENT)/source/Sources";
Acquire::IndexTargets::deb::Sources::ShortDescription "Sources";
Acquire::IndexTargets::deb::Sources::Description "$(RELEASE)/$(COMPONENT) Sources";
Acquire::IndexTargets::deb::Sources::Optional "no";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{0}/parts";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{0}/sources";
Dir::Etc::preferences "{0}/preferences";
Dir::Etc::preferencesparts "{0}/parts";
Dir::State::status "/dev/null";
Dir::State::lists "{0}/lists";
Dir::Cache "{0}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""


def output(command, **options):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def suites(env=None, *extra):
    """(file, suite) of each source that apt has for Debian's packages."""
    listed = output(["apt-get", "indextargets", *extra, "--format",
                     "$(SOURCESENTRY) $(RELEASE)", "Created-By: Packages",
                     "Component: main"], env=env)
    for line in listed.splitlines():
        entry, suite = line.rsplit(" ", 1)
        if DEBIAN.fullmatch(suite):
            yield entry.rpartition(":")[0], suite


class Archive:
    """One suite of Debian with its security updates, as they are now."""

    def __init__(self, suite):
        self.suite = suite
        self.folder = cached(f"apt-{suite}")
        shutil.rmtree(f"{self.folder}/sources", ignore_errors=True)
        for folder in ("lists/partial", "cache/archives/partial", "sources",
                       "parts"):
            os.makedirs(f"{self.folder}/{folder}", exist_ok=True)
        self.copy_sources()

        # The machine's settings (proxies and so on), but none of its hooks.
        config = re.sub(r"^(APT::Update::P|DPkg::P|Dir::).*\n", "",
                        output(["apt-config", "dump"]), flags=re.M)
        with open(f"{self.folder}/apt.conf", "w", encoding="utf-8") as file:
            file.write(config + CONFIG.replace("{0}", self.folder))
        self.env = dict(os.environ, LC_ALL="C",
                        APT_CONFIG=f"{self.folder}/apt.conf")
        self.prefer(updates=True)
        done = self.run(self.folder, "update")
        # One source of many that cannot be had is no reason to stop.
        there = {suite for _, suite in suites(self.env)}
        if suite not in there:
            sys.stderr.write(done.stdout)
            raise Failed(f"the lists of Debian's suite {suite} cannot be had")
        self.updates = f"{suite}-security" in there
        if not self.updates:
            say(f"without security updates: {suite}-security is not named in "
                "the machine's apt configuration, or cannot be reached")

    def copy_sources(self):
        found = list(suites(None, "--no-release-info"))
        own = [path for path, suite in found
               if suite.split("-")[0] == self.suite]
        for path in set(own or [path for path, _ in found]):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if not own: # as words of their own, not in a path
                text = re.sub(rf"(?<!\S){DEBIAN.pattern}(?!\S)",
                              rf"{self.suite}\2", text)
            with open(f"{self.folder}/sources/{os.path.basename(path)}", "w",
                      encoding="utf-8") as file:
                file.write(text)
        if not found:
            raise Failed("the machine's apt configuration names no source for "
                         f"Debian's suite {self.suite}")

    def prefer(self, updates):
        """The newest of the suite, or of it and its updates, is installed."""
        with open(f"{self.folder}/preferences", "w", encoding="utf-8") as file:
            for name, priority in ((self.suite, 500),
                                   (f"{self.suite}-security",
                                    500 if updates else -1), ("*", -1)):
                file.write(f"Package: *\nPin: release n={name}\n"
                           f"Pin-Priority: {priority}\n\n")

    def run(self, folder, *args):
        return subprocess.run(["apt-get", "-q", *args], cwd=folder,
                              env=self.env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def apt(self, folder, *args):
        """Runs apt-get in the folder, its chatter shown only if it fails."""
        done = self.run(folder, *args)
        if done.returncode:
            missing = re.search(r"^Err:\d+ \S+ (\S+) (.*)\n +"
                                r"(?:404 |File not found)", done.stdout, re.M)
            if missing:
                raise Absent("Debian's archive, as this machine reaches it, "
                             f"does not serve {missing[2]} of {missing[1]}")
            sys.stderr.write(done.stdout)
            raise Failed(f"apt-get {' '.join(args)} failed")

    def show(self, *packages):
        return output(["apt-cache", "show", "--no-all-versions", *packages],
                      env=self.env)

    def newest(self, package, folder, take):
        """Calls take(version of the package), with the security updates and,
        where the archive does not serve what that takes, without them. Returns
        the version that was taken."""
        tried = None
        for updates in [True, False] if self.updates else [False]:
            self.prefer(updates)
            version = re.search(r"^Version: (\S+)", self.show(package), re.M)[1]
            if tried:
                if version == tried[0]:
                    raise tried[1]
                say(f"{tried[1]}: taking {version} of {self.suite}")
                shutil.rmtree(folder)
                os.makedirs(folder)
            try:
                take(version)
                return version
            except Absent as reason:
                tried = version, reason
        raise tried[1]

    def depends(self, packages, wanted):
        """The packages, and all they depend on as far as names match wanted
        (the first of alternatives)."""
        found, new = set(), set(packages)
        while new:
            found |= new
            new = {name for line in re.findall(r"^Depends: (.*)",
                                               self.show(*sorted(new)), re.M)
                   for name in re.findall(r"(?:^|, )([^ ,:]+)", line)
                   if wanted.fullmatch(name)} - found
        return sorted(found)


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
