"""Lets CMake build and install the Python module where setuptools wants it.

Arguments for CMake come from the environment variable CMAKE_ARGS, the number of jobs from
CMAKE_BUILD_PARALLEL_LEVEL.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).parent.resolve()


class CMakeBuild(build_ext):
    def run(self):
        build = pathlib.Path(self.build_temp).resolve()
        target = pathlib.Path(self.build_lib).resolve()
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        subprocess.run(
            ["cmake", "-S", str(ROOT), "-B", str(build), *generator, "-DCMAKE_BUILD_TYPE=Release",
             "-DLAMINA_BUILD_PYTHON=ON", "-DLAMINA_BUILD_TESTS=OFF", "-DLAMINA_BUILD_TOOLS=OFF",
             "-DLAMINA_BUILD_EXAMPLES=OFF", f"-DPython3_EXECUTABLE={sys.executable}",
             *shlex.split(os.environ.get("CMAKE_ARGS", ""))], check=True)
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
        subprocess.run(["cmake", "--build", str(build), "--target", "lamina_python", "--parallel", jobs], check=True)
        subprocess.run(["cmake", "--install", str(build), "--component", "python", "--prefix", str(target)],
                       check=True, env={**os.environ, "DESTDIR": ""})


def numpy_requirement():
    """pybind11 knows NumPy 2 from 2.12 on; an older one would read its data types wrongly."""
    try:
        found = subprocess.run(["pkg-config", "--modversion", "pybind11"], check=True, capture_output=True, text=True)
        knows = tuple(int(part) for part in found.stdout.split(".")[:2]) >= (2, 12)
    except (OSError, subprocess.CalledProcessError, ValueError):
        knows = False
    return "numpy>=1.20" if knows else "numpy>=1.20,<2"


version = re.search(r"project\(lamina VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
# The extension's name says where the package goes; CMake knows what it is made of.
setup(version=version, install_requires=[numpy_requirement()], packages=[],
      ext_modules=[Extension("lamina._core", [])], cmdclass={"build_ext": CMakeBuild})
