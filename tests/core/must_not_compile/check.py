#!/usr/bin/env python3
"""Checks that snippets do not compile, and for the reason stated.

Usage: check.py SNIPPETS COMPILER FLAGS...

The file holds snippets, each after a line '// NAME: REGULAR EXPRESSION'. All are compiled at once, each as a
function in a file called NAME. What the compiler says near a mention of that file must be an error that matches;
about the one named 'valid' it must say nothing.
"""

import pathlib
import re
import subprocess
import sys

HEAD = """#include "lamina/core/array.hpp"
using namespace lamina;
Array<float> make() { return Array<float>(Shape{2, 2}); }
"""
FUNCTION = """#line 1 "{name}"
void {name}(const Array<float>& fixed, Array<float>& x, Array<double>& d) {{ (void)fixed; (void)x; (void)d; {snippet} }}
"""


def error_before(lines, i):
    """Clang names the place of an instantiation in a note below the error; GCC names it above."""
    if "note: in instantiation" not in lines[i]:
        return []
    return next(([line] for line in reversed(lines[:i]) if "error:" in line), [])


def main(snippets, *compile_command):
    parts = re.split(r"^// (\w+): (.*)\n", pathlib.Path(snippets).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    cases = list(zip(parts[::3], parts[1::3], (text.strip() for text in parts[2::3])))
    program = HEAD + "".join(FUNCTION.format(name=name, snippet=snippet) for name, _, snippet in cases)
    result = subprocess.run([*compile_command, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"], input=program,
                            capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    lines = result.stderr.splitlines()
    failures = 0
    for name, reason, snippet in cases:
        near = [i for i, line in enumerate(lines) if re.match(rf"(In file included from )?{name}:", line)]
        said = "\n".join(line for i in near for line in error_before(lines, i) + lines[i:i + 3])
        if name == "valid":
            wrong = said and "does not compile"
        elif "error:" not in said:
            wrong = "compiles"
        else:
            wrong = not re.search(reason, said) and f"fails for another reason than {reason!r}"
        if wrong:
            failures += 1
            print(f"{name}: {wrong}\n{snippet}\n{said}\n")
    print(f"{len(cases)} snippets, {failures} wrong")
    if failures:
        print(result.stderr)
    return 1 if failures or len(cases) < 2 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
