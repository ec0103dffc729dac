# SPDX-License-Identifier: MIT
"""Access to Debian's archive and to the cache, for the other tools.

    archive = debian.Archive("trixie")
    archive.apt(folder, "download", "xen-hypervisor-4.20-amd64")

Debian's package tools fetch and verify the packages. They use a private
configuration for one suite and its security updates, which is made from the
machine's own source lists. If these do not name the suite, it is expected on
the same servers as the suites that they do name. With backports comes the suite
that they are for. Otherwise the machine's
configuration, package lists and installed packages are neither used nor changed.

Everything is stored in .cache at the top of the checkout, or in
$PTEBATCH_CACHE. The remains of an interrupted run are never used.
"""

import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys

# Maps a command to its Debian package.
FETCH_TOOLS = {"apt-get": "apt", "dpkg-deb": "dpkg"}
PROGRAM_TOOLS = {"objdump": "binutils", **FETCH_TOOLS}
SOURCE_TOOLS = {"dpkg-source": "dpkg-dev", "xz": "xz-utils", **FETCH_TOOLS}

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.abspath(os.environ.get("PTEBATCH_CACHE")
                        or os.path.join(TOP, ".cache"))
PROGRAM = os.path.basename(sys.argv[0])
lock = None # the open lock file, once this process holds the lock


class Failed(Exception):
    """An error that is reported to the user."""


class Absent(Failed):
    """The archive does not serve a file that it lists, as with partial mirrors.
    The program's exit status is then 77."""


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
    """Another process held the lock. What was missing may exist by now."""


def alone():
    """Lock the cache: no other process changes it until this process ends. A
    tool that finds what it wants in the cache does not call this function, and
    never waits."""
    global lock
    if lock:
        return
    lock = open(cached("lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another process to finish")
        fcntl.flock(lock, fcntl.LOCK_EX)
        raise Again from None


def scratch(name):
    """Make an empty folder. finish() gives it its final name in one step."""
    alone()
    path = cached("unfinished-" + name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def finish(path, final):
    shutil.rmtree(final, ignore_errors=True)
    os.rename(path, final)
    return final


def main(makers, about, arguments=None, more=""):
    """Run a tool: call the maker that the argument names, and print its
    result. A tool that has taken options out of the arguments passes the rest,
    and names the options in more."""
    names = sys.argv[1:] if arguments is None else arguments
    if names in (["-h"], ["--help"]):
        print(about.strip())
        return
    if len(names) != 1 or names[0] not in makers:
        sys.exit(f"usage: {PROGRAM} " + "|".join(makers) + more)
    try:
        if re.search(r"\s", CACHE):
            raise Failed("Xen and Linux cannot be built in a path with a space, "
                         f"and the cache is {CACHE}: set PTEBATCH_CACHE to "
                         "another path")
        os.makedirs(CACHE, exist_ok=True)
        while True:
            try:
                print(makers[names[0]]())
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
                    r"|unstable)(-security|-updates|-backports)?")

# By default "apt-get source" needs deb-src entries. With this configuration, apt
# fetches the lists of sources for deb entries, too.
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
    """Yield (file, suite) for each of apt's sources of Debian packages."""
    listed = output(["apt-get", "indextargets", *extra, "--format",
                     "$(SOURCESENTRY) $(RELEASE)", "Created-By: Packages",
                     "Component: main"], env=env)
    for line in listed.splitlines():
        entry, suite = line.rsplit(" ", 1)
        if DEBIAN.fullmatch(suite):
            yield entry.rpartition(":")[0], suite


class Archive:
    """The current state of a suite of Debian, with its security updates."""

    def __init__(self, suite):
        self.suite = suite
        self.release = suite.removesuffix("-backports")
        self.folder = cached(f"apt-{suite}")
        shutil.rmtree(f"{self.folder}/sources", ignore_errors=True)
        for folder in ("lists/partial", "cache/archives/partial", "sources",
                       "parts"):
            os.makedirs(f"{self.folder}/{folder}", exist_ok=True)
        self.copy_sources()

        # Take the machine's settings, such as proxies, but not its hooks.
        config = re.sub(r"^(APT::Update::P|DPkg::P|Dir::).*\n", "",
                        output(["apt-config", "dump"]), flags=re.M)
        with open(f"{self.folder}/apt.conf", "w", encoding="utf-8") as file:
            file.write(config + CONFIG.replace("{0}", self.folder))
        self.env = dict(os.environ, LC_ALL="C",
                        APT_CONFIG=f"{self.folder}/apt.conf")
        self.prefer(updates=True)
        done = self.run(self.folder, "update")
        # Continue if some sources fail, as long as the suite is available.
        there = {suite for _, suite in suites(self.env)}
        if suite not in there:
            sys.stderr.write(done.stdout)
            raise Failed("cannot fetch the package lists of Debian's suite "
                         f"{suite}")
        self.updates = f"{self.release}-security" in there
        if not self.updates and suite != "sid":
            say(f"without security updates: {self.release}-security is not "
                "named in the machine's apt configuration, or cannot be reached")

    def copy_sources(self):
        found = list(suites(None, "--no-release-info"))
        own = [path for path, suite in found
               if suite.split("-")[0] == self.release]
        for path in set(own or [path for path, _ in found]):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            names = rf"(?<!\S){DEBIAN.pattern}(?!\S)" # but not within a path
            if not own:
                text = re.sub(names, rf"{self.release}\2", text)
            name = os.path.basename(path)
            self.write_source(name, text)
            if self.suite != self.release:
                self.write_source("backports-" + name,
                                  re.sub(names, self.suite, text))
        if not found:
            raise Failed("the machine's apt configuration names no source for "
                         f"Debian's suite {self.suite}")

    def write_source(self, name, text):
        with open(f"{self.folder}/sources/{name}", "w",
                  encoding="utf-8") as file:
            file.write(text)

    def prefer(self, updates):
        """Choose the newest version in the suite, with or without updates."""
        with open(f"{self.folder}/preferences", "w", encoding="utf-8") as file:
            for name, priority in ((self.suite, 500), (self.release, 500),
                                   (f"{self.release}-security",
                                    500 if updates else -1), ("*", -1)):
                file.write(f"Package: *\nPin: release n={name}\n"
                           f"Pin-Priority: {priority}\n\n")

    def run(self, folder, *args):
        return subprocess.run(["apt-get", "-q", *args], cwd=folder,
                              env=self.env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def apt(self, folder, *args):
        """Run apt-get in the folder. Show its output only if it fails."""
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
        """Call take(version) with the newest version of the package. If the
        archive does not serve that version, call it again with the newest
        version without security updates. Return the version taken."""
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
        """Return the packages and, recursively, those of their dependencies
        whose names match wanted. Of alternatives, only the first counts."""
        found, new = set(), set(packages)
        while new:
            found |= new
            new = {name for line in re.findall(r"^Depends: (.*)",
                                               self.show(*sorted(new)), re.M)
                   for name in re.findall(r"(?:^|, )([^ ,:]+)", line)
                   if wanted.fullmatch(name)} - found
        return sorted(found)


def unpack(debs):
    """Unpack all packages in the folder to its subfolder root/."""
    for deb in sorted(glob.glob(f"{debs}/*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, f"{debs}/root"], check=True)
    return f"{debs}/root"


def needed(path):
    """Return the libraries that a program or library is linked to."""
    shown = subprocess.run(["objdump", "-p", path], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    return re.findall(r"^ *NEEDED +(\S+)$", shown, re.M)


def add_libraries(root, folder, wanted):
    """Copy the wanted libraries, and the libraries that they need, from the
    tree that unpack() has made to the places where programs in the folder find
    them."""
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
            raise Failed(f"no package contains {name}")
        shutil.copy(libraries[name], target)
        wanted += needed(target)
