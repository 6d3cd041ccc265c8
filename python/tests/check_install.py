#!/usr/bin/env python3
"""Installs the Python package into an empty folder and uses it from there.

Usage: check_install.py CMAKE BUILD-FOLDER PREFIX FOLDER-BELOW-THE-PREFIX
"""

import os
import pathlib
import shutil
import subprocess
import sys

USE = """
import numpy, lamina
assert lamina.__file__.startswith({folder!r}), lamina.__file__
assert lamina.nn.relu(numpy.array([-1.0, 2.0])).tolist() == [0, 2]
assert lamina.data.load_digits().count == 1797
"""


def main(cmake, build, prefix, folder):
    shutil.rmtree(prefix, ignore_errors=True)
    # With a shared library that has to be there, too.
    components = ["Unspecified"] if list(pathlib.Path(build).glob("liblamina.so*")) else []
    for component in (*components, "python_package"):
        subprocess.run([cmake, "--install", build, "--component", component, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL)
    package = pathlib.Path(prefix) / folder
    for name in ("py.typed", "nn.pyi", "__init__.py"):
        assert (package / "lamina" / name).exists(), name
    # What pip installs: the same files, without folders around them.
    wheel = pathlib.Path(prefix) / "wheel"
    subprocess.run([cmake, "--install", build, "--component", "python", "--prefix", wheel], check=True,
                   stdout=subprocess.DEVNULL)
    for found in (package, wheel):
        subprocess.run([sys.executable, "-c", USE.format(folder=str(found))], check=True, cwd=prefix,
                       env={**os.environ, "PYTHONPATH": str(found), "PYTHONDONTWRITEBYTECODE": "1"})
    shutil.rmtree(prefix)


if __name__ == "__main__":
    main(*sys.argv[1:])
