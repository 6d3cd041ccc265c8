#!/usr/bin/env python3
"""Checks what a shared library exports: names of namespace lamina, and weak ones of the standard library.

Usage: check_symbols.py LIBRARY
"""

import re
import subprocess
import sys

# Itanium names: vtables, type information, thunks, guards and local statics wrap the name they belong to.
OURS = re.compile(r"^_Z(T[VIST]|Th[n0-9]+_|Tv[n0-9]+_[n0-9]+_|GV|Z|GR)*N[VKRO]*6lamina")
# Templates of the standard library that our code instantiates; weak, so that any other copy will do.
STANDARD = re.compile(r"^_Z(T[VIST]|GV|Z)*(N[VKRO]*)?(St|S[absiod]|9__gnu_cxx)")


def main(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    foreign, ours, weak = [], 0, 0
    for line in lines.splitlines():
        kind, name = line.split()[-2:]
        name = name.split("@")[0]
        if OURS.match(name):
            ours += 1
        elif STANDARD.match(name) and kind in "WVu":
            weak += 1
        else:
            foreign.append(f"{kind} {name}")
    for line in foreign:
        print(subprocess.run(["c++filt"], input=line, capture_output=True, text=True).stdout.strip())
    print(f"{library}: {ours} symbols of lamina, {weak} weak ones of the standard library, {len(foreign)} foreign")
    return 1 if foreign or not ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
