# SPDX-License-Identifier: GPL-2.0-only
"""Cuts functions out of a C file in Xen's style: a file that has them alone.

What the file has outside functions and variables stays: directives, types, macros
and inline functions. A function that is not named is left out. If the file
declares or defines it and it is named as foreign, it is declared as a function of
another file, and a variable likewise. So whatever is missing does not compile.
"""

import re


class Problem(Exception):
    pass


def pieces(text):
    """Yields (kind, name, lines) of what is at the top level of a file."""
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        start, line = i, lines[i]
        if line.startswith("#"):
            while lines[i].endswith("\\"):
                i += 1
            i += 1
            yield "directive", None, lines[start:i]
        elif line.startswith("/*"):
            while "*/" not in lines[i]:
                i += 1
            i += 1
            yield "comment", None, lines[start:i]
        elif not line.strip() or line.startswith("//"):
            i += 1
            yield "comment", None, [line]
        else:
            # Up to "{", which opens a body, or ";", which ends a declaration.
            while not re.search(r"[;{]\s*(/\*.*\*/\s*)?$", lines[i]) or (
                    lines[i].startswith("#")):
                i += 1
                if i == len(lines):
                    raise Problem(f"no end of: {line}")
            head = "\n".join(lines[start:i + 1])
            if head.rstrip().endswith("{"):
                while not lines[i].startswith("}"):
                    i += 1
                    if i == len(lines):
                        raise Problem(f"no end of: {line}")
            i += 1
            yield (*sort(head), lines[start:i])


ATTRIBUTE = re.compile(r"\b(__section|__aligned|__attribute__)\s*\(.*?\)"
                       r"|\b__read_mostly\b")


def sort(head):
    """What a declaration or definition is, by its head, and its name."""
    head = ATTRIBUTE.sub("", head)
    if re.match(r"(struct|enum|union) \w+\s*(\{|;)|typedef\b|extern\b"
                r"|DEFINE_XEN_GUEST_HANDLE\b", head):
        return "type", None
    if re.match(r"\w+\([^;]*\);", head):
        return "macro", head
    found = re.match(r"[^=(]*?\b(\w+)\s*\(", head)
    if found:
        if not head.rstrip().endswith("{"):
            return "declaration", found[1]
        inline = re.match(r"static (\w+ )?(always_)?inline\b", head)
        return "inline" if inline else "function", found[1]
    found = re.search(r"(\w+)\s*(\[[^]]*\]\s*)*(=|;)", head)
    if not found:
        raise Problem(f"not understood: {head}")
    return "variable", found[1]


def cut(text, functions, foreign=(), macros=(), roots=(), without=()):
    """The file with the functions alone. roots: those of them that other files
    name, though they are static. without: inline functions that go too."""
    out, seen = [], set()

    def opened(lines):
        return re.sub(r"^static ", "", "\n".join(lines), count=1)

    for kind, name, lines in pieces(text):
        if name in without:
            continue
        if kind in ("directive", "type", "inline"):
            out.append("\n".join(lines))
        elif kind == "macro" and any(name.startswith(m) for m in macros):
            out.append("\n".join(lines))
        elif kind in ("function", "declaration") and name in functions:
            if kind == "function":
                seen.add(name)
            out.append(opened(lines) if name in roots else "\n".join(lines))
        elif kind in ("function", "declaration") and name in foreign:
            if name in seen:
                continue
            seen.add(name)
            head = re.split(r"\n\{", opened(lines))[0].rstrip().rstrip(";")
            out.append(head + ";")
        elif kind == "variable" and name in foreign:
            seen.add(name)
            head = re.split(r"[=;]", opened(lines))[0].rstrip()
            out.append(f"extern {head};")
    missing = (set(functions) | set(foreign)) - seen
    if missing:
        raise Problem("not in the file: " + ", ".join(sorted(missing)))
    return "\n".join(out) + "\n"
