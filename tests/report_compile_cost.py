#!/usr/bin/env python3
"""Reports what including <lamina/lamina.hpp> costs a user: processor time, memory, lines.

Usage: report_compile_cost.py COMPILER INCLUDE_FOLDER...

A report, not a judgment of time: machines differ, and a busy one is slow. It fails only when the program does
not compile. The budget is 1.5 s and 400 MB.
"""

import os
import pathlib
import resource
import subprocess
import sys
import tempfile

PROGRAM = "#include <lamina/lamina.hpp>\nint main() { return 0; }\n"


def compile_once(compiler, folders, source, output):
    """Processor seconds, peak megabytes. ccache is told to stay out of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([compiler, "-std=c++20", "-O2", *[f"-I{f}" for f in folders], "-c", source, "-o", output],
                   check=True, env={**os.environ, "CCACHE_DISABLE": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def main(arguments):
    compiler, folders = arguments[0], arguments[1:]
    with tempfile.TemporaryDirectory() as scratch:
        empty, source = pathlib.Path(scratch, "empty.cpp"), pathlib.Path(scratch, "user.cpp")
        empty.write_text("int main() { return 0; }\n", encoding="utf-8")
        source.write_text(PROGRAM, encoding="utf-8")
        nothing, _ = compile_once(compiler, folders, empty, empty.with_suffix(".o"))
        runs = [compile_once(compiler, folders, source, source.with_suffix(".o")) for _ in range(3)]
        text = subprocess.run([compiler, "-std=c++20", "-E", "-P", *[f"-I{f}" for f in folders], source],
                              check=True, capture_output=True, text=True).stdout
    seconds, memory = min(run[0] for run in runs), max(run[1] for run in runs)
    print(f"#include <lamina/lamina.hpp> at -O2: {seconds:.2f} s processor time (an empty file: {nothing:.2f} s), "
          f"{memory:.0f} MB, {text.count(chr(10))} lines after preprocessing; budget 1.5 s, 400 MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
