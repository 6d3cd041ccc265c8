"""The example runs, on little, and its documents say what is so."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def test_digits(tmp_path):
    done = subprocess.run([sys.executable, ROOT / "examples" / "python" / "digits.py", "--epochs", "4", "--out", tmp_path],
                          capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "MPLCONFIGDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    accuracy = float(next(line for line in lines if line.startswith("test accuracy")).split()[2].rstrip(","))
    assert accuracy > 0.9
    difference = float(next(line for line in lines if line.startswith("largest difference")).split()[-1])
    assert difference < 1e-4
    for name in ("curve.png", "wrong.png", "digits.safetensors"):
        assert (tmp_path / name).stat().st_size > 500


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_snippets(document, tmp_path, monkeypatch):
    """The Python code in a document runs, one block after the other."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", text, flags=re.M | re.S)
    assert blocks
    namespace = {"__name__": "snippet"}
    for _, code in blocks:
        exec(compile(textwrap.dedent(code), document, "exec"), namespace)
