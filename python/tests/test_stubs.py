"""Type stubs say what the module has."""

import ast
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def test_stubs_are_up_to_date():
    done = subprocess.run([sys.executable, HERE / "write_stubs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_are_python():
    stubs = list((HERE.parent / "lamina").glob("*.pyi"))
    assert len(stubs) == 10 and (HERE.parent / "lamina" / "py.typed").exists()
    for stub in stubs:
        ast.parse(stub.read_text())
