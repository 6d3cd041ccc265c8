#!/usr/bin/env python3
"""Checks who includes whom, against the layers in docs/design.md.

Usage: check_includes.py [repository root]
       check_includes.py --write-umbrella [repository root]     writes include/lamina/lamina.hpp
       check_includes.py --self-test
"""

import pathlib
import re
import sys
import tempfile

# What each folder of include/lamina and src may include, beside itself.
LAYERS = {
    "core": set(),
    "kernels": {"core"},
    "nn": {"core", "kernels"},
    "autograd": {"core", "nn"},
    "layers": {"core", "nn", "autograd"},
    "optim": {"core", "nn", "autograd"},
    "data": {"core", "io"},
    "io": {"core"},
}
# Programs and bindings stand on the public headers alone.
PROGRAMS = {"tools", "python", "examples"}
# Kernels know pointers, sizes and strides: no arrays, no exceptions, no allocation, no threads.
NOT_FOR_KERNELS = {"array", "view", "shape", "error", "memory", "parallel"}
# A family's table is data alone: enumerators, names, defaults. Kernels read it as well, so it stands on nothing.
TABLE = re.compile(r"^lamina/nn/\w+_table\.hpp$")
FOR_TABLES = {"lamina/core/index.hpp", "lamina/export.hpp"}
# Where the SIMD library may appear.
SIMD_FOLDERS = {"core", "kernels"}

STANDARD = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg
    cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution expected
    filesystem format forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream
    iterator latch limits list locale map mdspan memory memory_resource mutex new numbers numeric optional ostream
    print queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span
    spanstream sstream stack stacktrace stdexcept stop_token streambuf string string_view strstream
    syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    valarray variant vector version
    """.split()
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+")', re.MULTILINE)
UMBRELLA = "lamina/lamina.hpp"


def includes_of(path):
    """(line number, '<' or '"', name) of every include directive that is not commented out."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        yield text.count("\n", 0, match.start()) + 1, target[0], target[1:-1]


def check(root):
    """List of complaints, each 'file:line: what is wrong'."""
    root = pathlib.Path(root)
    include, source = root / "include" / "lamina", root / "src"
    public = {p.relative_to(root / "include").as_posix() for p in include.rglob("*.hpp")}
    known = public | {"lamina/export.hpp"}  # generated
    complaints = []
    graph = {}

    files = [p for top in ("include", "src", *sorted(PROGRAMS)) for p in sorted((root / top).rglob("*"))
             if p.suffix in {".hpp", ".cpp", ".h", ".cc", ".inc"}]
    for path in files:
        relative = path.relative_to(root)
        is_public = relative.parts[0] == "include"
        inside = path.relative_to(include if is_public else source) if relative.parts[0] in ("include", "src") else None
        layer = inside.parts[0] if inside is not None and len(inside.parts) > 1 else None
        is_umbrella = relative.as_posix() == "include/" + UMBRELLA
        if inside is not None and not is_umbrella and layer not in LAYERS:
            complaints.append(f"{relative}:1: belongs to no layer; the layers are {', '.join(LAYERS)}")
            continue

        for line, kind, name in includes_of(path):
            def complain(text, line=line, relative=relative):
                complaints.append(f"{relative}:{line}: {text}")

            if kind == "<":
                if name.startswith("lamina/"):
                    if inside is not None:
                        complain(f'write "{name}", not <{name}>')
                elif is_public and name not in STANDARD:
                    complain(f"a public header may include the C++ standard library and lamina only, not <{name}>")
                elif inside is not None and name.startswith("hwy/"):
                    complain(f'write "{name}", not <{name}>')
                if not name.startswith("lamina/"):
                    continue

            if name.startswith("hwy/"):
                if is_public:
                    complain(f"a public header includes {name}")
                elif layer not in SIMD_FOLDERS:
                    complain(f"SIMD code belongs in src/kernels; {relative.parts[0]}/{layer or ''} includes {name}")
                continue

            if name.startswith("lamina/"):
                if name not in known:
                    complain(f"there is no public header {name}")
                    continue
                own_name = path.relative_to(root / "include").as_posix() if is_public else ""
                if TABLE.match(own_name) and name not in FOR_TABLES:
                    complain(f"a table is data alone; it may not include {name}")
                    continue
                if layer == "kernels" and TABLE.match(name):
                    continue
                if is_public:
                    graph.setdefault(own_name, []).append(name)
                if name == "lamina/export.hpp":
                    continue
                if name == UMBRELLA:
                    if inside is not None:
                        complain("the library itself does not include the umbrella header")
                    continue
                folder, other = name.split("/")[1], pathlib.PurePosixPath(name).stem
            else:
                if is_public:
                    complain(f'a public header includes "{name}", which is not installed')
                    continue
                if inside is None:
                    # A program's own headers, or its libraries; but never the library's inside.
                    if (source / name).exists() and not (path.parent / name).exists():
                        complain(f"a program includes {name} from src/; it stands on the public headers alone")
                    continue
                if not (source / name).exists():
                    complain(f'there is no src/{name}; write includes relative to src/, or "lamina/..."')
                    continue
                graph.setdefault(inside.as_posix(), []).append(name)
                folder, other = name.split("/")[0], pathlib.PurePosixPath(name).stem

            if inside is None or is_umbrella:
                continue
            if folder != layer and folder not in LAYERS[layer]:
                complain(f"{layer} may not include {folder} ({name})")
            elif layer == "kernels" and folder == "core" and other in NOT_FOR_KERNELS:
                complain(f"kernels know pointers, sizes and strides; they may not include {name}")

    complaints += cycles(graph)
    complaints += umbrella(include, public)
    return complaints


def cycles(graph):
    """One complaint for each header that includes itself in the end."""
    done, path, found = set(), [], []

    def visit(node):
        if node in path:
            found.append("include cycle: " + " -> ".join(path[path.index(node):] + [node]))
            return
        if node in done:
            return
        path.append(node)
        for other in graph.get(node, []):
            visit(other)
        path.pop()
        done.add(node)

    for node in sorted(graph):
        visit(node)
    return found


def umbrella(include, public):
    path = include / "lamina.hpp"
    if not path.exists():
        return ["include/lamina/lamina.hpp is missing"]
    have = [name for _, _, name in includes_of(path)]
    want = sorted(name for name in public if name != UMBRELLA)
    complaints = [f'include/{UMBRELLA}: add #include "{name}", or let check_includes.py --write-umbrella do it'
                  for name in want if name not in have]
    if not complaints and have != want:
        complaints.append(f"include/{UMBRELLA}: the includes are not the sorted list of public headers")
    return complaints


def write_umbrella(root):
    """The umbrella header is the sorted list of all public headers."""
    include = pathlib.Path(root, "include")
    names = sorted({p.relative_to(include).as_posix() for p in (include / "lamina").rglob("*.hpp")} - {UMBRELLA})
    text = "#pragma once\n\n// Everything.\n\n" + "".join(f'#include "{name}"\n' for name in names)
    (include / UMBRELLA).write_text(text, encoding="utf-8")


def self_test():
    """Each rule catches what it is there for."""
    good = {
        "include/lamina/lamina.hpp": '#include "lamina/core/array.hpp"\n#include "lamina/core/index.hpp"\n'
                                     '#include "lamina/nn/relu.hpp"\n#include "lamina/nn/relu_table.hpp"\n',
        "include/lamina/core/index.hpp": "#include <cstdint>\n",
        "include/lamina/core/array.hpp": '#include "lamina/core/index.hpp"\n#include "lamina/export.hpp"\n',
        "include/lamina/nn/relu.hpp": '#include "lamina/core/array.hpp"\n// #include <hwy/highway.h>\n',
        "src/nn/relu.cpp": '#include "lamina/nn/relu.hpp"\n#include "kernels/relu.hpp"\n#include <sys/mman.h>\n',
        "include/lamina/nn/relu_table.hpp": '#include <array>\n#include "lamina/core/index.hpp"\n',
        "src/kernels/relu.hpp": '#include "lamina/core/index.hpp"\n#include "hwy/highway.h"\n'
                                '#include "lamina/nn/relu_table.hpp"\n',
        "tools/main.cpp": '#include <CLI/CLI.hpp>\n#include "lamina/lamina.hpp"\n#include "own.hpp"\n',
        "tools/own.hpp": "",
    }
    bad = [
        ("src/core/index.cpp", '#include "lamina/nn/relu.hpp"', "core may not include nn"),
        ("src/core/index.cpp", '#include "kernels/relu.hpp"', "core may not include kernels"),
        ("src/layers/linear.cpp", '#include "kernels/relu.hpp"', "layers may not include kernels"),
        ("src/io/npy.cpp", '#include "lamina/nn/relu.hpp"', "io may not include nn"),
        ("src/nn/conv.cpp", '#include "hwy/highway.h"', "SIMD code belongs in src/kernels"),
        ("src/nn/conv.cpp", '#include "conv.hpp"', "there is no src/conv.hpp"),
        ("src/nn/conv.cpp", '#include <lamina/nn/relu.hpp>', 'write "lamina/nn/relu.hpp"'),
        ("src/nn/conv.cpp", '#include "lamina/lamina.hpp"', "does not include the umbrella"),
        ("src/nn/conv.cpp", '#include "lamina/nn/absent.hpp"', "there is no public header"),
        ("src/kernels/conv.cpp", '#include "lamina/core/array.hpp"', "they may not include lamina/core/array.hpp"),
        ("src/kernels/conv.cpp", '#include "lamina/nn/relu.hpp"', "kernels may not include nn"),
        ("include/lamina/nn/relu_table.hpp", '#include "lamina/core/array.hpp"', "a table is data alone"),
        ("src/odd/x.cpp", "", "belongs to no layer"),
        ("include/lamina/core/index.hpp", '#include "hwy/base.h"', "a public header includes hwy/base.h"),
        ("include/lamina/core/index.hpp", "#  include <hwy/base.h>", "not <hwy/base.h>"),
        ("include/lamina/core/index.hpp", "#include <sys/mman.h>", "not <sys/mman.h>"),
        ("include/lamina/core/index.hpp", '#include "kernels/relu.hpp"', "which is not installed"),
        ("include/lamina/core/index.hpp", '#include "lamina/core/array.hpp"', "include cycle"),
        ("include/lamina/core/new.hpp", "", 'add #include "lamina/core/new.hpp"'),
        ("tools/main.cpp", '#include "kernels/relu.hpp"', "a program includes kernels/relu.hpp"),
    ]
    failures = []
    for extra in [None, *bad]:
        tree = dict(good)
        if extra:
            tree[extra[0]] = extra[1] + "\n"
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in tree.items():
                path = pathlib.Path(scratch, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            found = check(scratch)
        if extra is None and found:
            failures.append(f"a good tree is refused: {found}")
        elif extra is not None and not any(extra[2] in line for line in found):
            failures.append(f"{extra[0]} with {extra[1]!r}: expected {extra[2]!r}, found {found}")
    return failures


def main(arguments):
    option = arguments.pop(0) if arguments and arguments[0].startswith("--") else None
    root = arguments[0] if arguments else "."
    if option == "--write-umbrella":
        write_umbrella(root)
    complaints = self_test() if option == "--self-test" else check(root)
    for line in complaints:
        print(line)
    print(f"check_includes: {len(complaints)} complaint{'' if len(complaints) == 1 else 's'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
