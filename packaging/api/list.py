#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists what others may use: the public declarations of each Swift library, and the layout of the header for C.

    list.py write               writes the lists beside this file, from what `swift build` has built: make api
    list.py check               compares them with what is built, and says what has changed: make api-check
    list.py header FILE         prints the list of a header
    list.py compare OLD NEW     compares two lists

A list has one line for each thing. A line that is gone breaks the users of the library.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
HEADER = ROOT / "Sources/CPlugin/include/sxenstored-plugin.h"
# The structures that may grow at their ends.
TABLES = ("sxp_host", "sxp_plugin")
# The kits are a part of this library, which exports them again.
EXPORTED = {"XenStoreTestKit": ["PluginConformance"]}


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


# ---- Swift ---------------------------------------------------------------------------------------------------------


def libraries():
    """The modules of all products that are libraries."""
    package = json.loads(output("swift", "package", "dump-package"))
    for product in package["products"]:
        if "library" in product["type"]:
            for target in product["targets"]:
                yield from [target] + EXPORTED.get(target, [])


def symbol_graphs(module, folder):
    built = output("swift", "build", "--show-bin-path").strip()
    triple = json.loads(output("swift", "-print-target-info"))["target"]["unversionedTriple"]
    maps = [*pathlib.Path(built).glob("*.build/module.modulemap"), *ROOT.glob("Sources/*/module.modulemap")]
    subprocess.run(
        ["swift", "symbolgraph-extract", "-module-name", module, "-target", triple, "-I", f"{built}/Modules"]
        + [word for file in maps for word in ("-Xcc", f"-fmodule-map-file={file}")]
        + ["-minimum-access-level", "public", "-skip-synthesized-members", "-output-dir", folder],
        check=True, stdout=subprocess.DEVNULL)
    for file in sorted(pathlib.Path(folder).glob("*.symbols.json")):
        yield json.loads(file.read_text())


def library_list(module):
    lines = set()
    with tempfile.TemporaryDirectory() as folder:
        for graph in symbol_graphs(module, folder):
            lines.update(graph_lines(graph))
    return sorted(lines)


def graph_lines(graph):
    relations = graph["relationships"]
    required = {r["source"] for r in relations if r["kind"] == "requirementOf"}
    implemented = {r["target"] for r in relations if r["kind"] == "defaultImplementationOf"}
    names = {symbol["identifier"]["precise"]: ".".join(symbol["pathComponents"]) for symbol in graph["symbols"]}
    for symbol in graph["symbols"]:
        identifier = symbol["identifier"]["precise"]
        text = "".join(part["spelling"] for part in symbol["declarationFragments"])
        if identifier in required:
            text += " // required" if identifier not in implemented else " // has a default"
        yield f"{names[identifier]}: {' '.join(text.split())}"
    for relation in relations:
        if relation["kind"] == "conformsTo" and relation["source"] in names:
            target = names.get(relation["target"]) or relation.get("targetFallback", "")
            # The compiler adds these two to every type.
            if target not in ("Swift.Copyable", "Swift.Escapable"):
                yield f"{names[relation['source']]} conforms to {target}"


# ---- C -------------------------------------------------------------------------------------------------------------


def header_list(header):
    clang = ["clang", "-x", "c", "-fsyntax-only", "-Xclang"]
    layouts = output(*clang, "-fdump-record-layouts-complete", str(header))
    tree = json.loads(output(*clang, "-ast-dump=json", str(header)))
    abi = re.search(r"^#define SXP_ABI (\d+)$", pathlib.Path(header).read_text(), re.MULTILINE).group(1)
    return [f"SXP_ABI = {abi}", *members(layouts), *constants(tree)]


def members(layouts):
    record = ""
    for line in layouts.splitlines():
        offset, bar, text = line.partition(" | ")
        if found := re.fullmatch(r"struct (\w+)", text):
            record = found[1]
        elif not record.startswith("sxp_"):
            continue
        elif found := re.search(r"\[sizeof=(\d+)", text):
            yield f"{record} has {found[1]} bytes"
        elif text.startswith("  "):
            kind, _, name = text.strip().rpartition(" ")
            yield f"{record} at {offset.strip()}: {name}, {kind}"


def constants(tree):
    for enum in tree["inner"]:
        value = -1
        for constant in enum.get("inner", []):
            if constant["kind"] == "EnumConstantDecl" and constant["name"].startswith("SXP_"):
                value = int(constant["inner"][0]["value"]) if "inner" in constant else value + 1
                yield f"{constant['name']} = {value}"


# ---- Comparing -----------------------------------------------------------------------------------------------------


class Change:
    """What is different between two lists."""

    def __init__(self, old, new):
        self.gone = [line for line in old if line not in set(new)]
        self.added = [line for line in new if line not in set(old)]
        self.abi = [abi_of(old), abi_of(new)]

    def __bool__(self):
        return bool(self.gone or self.added)

    @property
    def breaks(self):
        """Whether something that was built or written for the old list needs a change."""
        if self.abi[0] is None:
            return bool(self.gone) or any(
                line.endswith("// required") or re.search(r": (indirect )?case ", line) for line in self.added)
        return any(not may_grow(line) for line in self.gone)

    @property
    def mistake(self):
        """Why the header must not change in this way. As long as its ABI is 0, it may change in any way."""
        old, new = self.abi
        if not old or not self:
            return None
        if self.breaks:
            return f"the ABI is {old}, not 0, so what there is must stay as it is; tables grow at their ends"
        return f"the header has grown, so SXP_ABI must become {old + 1}" if new != old + 1 else None

    def __str__(self):
        title = "breaks what uses it" if self.breaks else "grows"
        return "\n".join([title, *(f"  - {line}" for line in self.gone), *(f"  + {line}" for line in self.added)])


def abi_of(lines):
    """The ABI of a header's list; None for a Swift library."""
    return int(lines[0].split()[-1]) if lines and lines[0].startswith("SXP_ABI") else None


def may_grow(line):
    return line.startswith("SXP_ABI = ") or any(line.startswith(f"{table} has ") for table in TABLES)


def lists():
    """Each list's file and what it must hold."""
    yield FOLDER / "sxenstored-plugin.h.txt", header_list(HEADER)
    for module in sorted(set(libraries())):
        yield FOLDER / f"{module}.txt", library_list(module)


def read(file):
    file = pathlib.Path(file)
    return file.read_text().splitlines() if file.exists() else []


def write():
    for file, lines in lists():
        if mistake := Change(read(file), lines).mistake:
            sys.exit(f"{file.name}: {mistake}")
        file.write_text("".join(f"{line}\n" for line in lines))


def check():
    has_changed = False
    for file, lines in lists():
        if change := Change(read(file), lines):
            has_changed = True
            print(f"{file.stem} {change}", flush=True)
            if change.mistake:
                print(f"  {change.mistake}", flush=True)
    if has_changed:
        sys.exit(
            "What others may use has changed. If that is meant: make api, and a line in CHANGELOG.md. What breaks"
            " needs a new minor version before 1.0.0, and a new major version after it.")


def main():
    match sys.argv[1:]:
        case ["write"]:
            write()
        case ["check"]:
            check()
        case ["header", file]:
            print("\n".join(header_list(pathlib.Path(file).resolve())))
        case ["compare", old, new]:
            if change := Change(read(old), read(new)):
                print(change)
                if change.mistake:
                    sys.exit(change.mistake)
        case _:
            sys.exit(__doc__)


main()
