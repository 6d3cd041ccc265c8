#!/usr/bin/env python3
"""Checks that every C++ file of the repository is as clang-format 14 writes it.

Usage: check_format.py [repository root]

Another version of clang-format breaks lines differently, so only version 14 counts. Without it the check
fails; CLANG_FORMAT names the program where it has an unusual name.
"""

import os
import pathlib
import shutil
import subprocess
import sys

FOLDERS = ["include", "src", "tools", "python", "examples", "bench", "tests"]
SUFFIXES = {".hpp", ".cpp"}


def find_clang_format():
    for name in filter(None, [os.environ.get("CLANG_FORMAT"), "clang-format-14", "clang-format"]):
        program = shutil.which(name)
        if program and " 14." in subprocess.run([program, "--version"], capture_output=True, text=True).stdout:
            return program
    return None


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    program = find_clang_format()
    if program is None:
        print("check_format: clang-format 14 is not installed (Debian: apt-get install clang-format-14)")
        return 1
    files = [str(p.relative_to(root)) for folder in FOLDERS for p in sorted((root / folder).rglob("*"))
             if p.suffix in SUFFIXES]
    result = subprocess.run([program, "--dry-run", "-Werror", *files], cwd=root, capture_output=True, text=True)
    complaints = [line for line in result.stderr.splitlines() if "[-Wclang-format-violations]" in line]
    names = sorted({line.split(":")[0] for line in complaints})
    print("\n".join(complaints[:40]))
    print(f"check_format: {len(files)} files, {len(names)} to be formatted")
    if names:
        print(f"  {os.path.basename(program)} -i " + " ".join(names))
    return 1 if result.returncode or names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
