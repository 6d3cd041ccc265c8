#!/usr/bin/env python3
"""Runs the lamina program as its users do.

Usage: check_program.py PROGRAM DIGITS
"""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def run(program, *arguments, **environment):
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})


def check_training(program, folder):
    """The same seed gives the same files at one and two threads; they are what they should be."""
    outputs = []
    for threads in (1, 2):
        result = run(program, "train", "digits", "--seed", 5, "--epochs", 3, "--threads", threads, "--out",
                     folder / f"t{threads}")
        expect(result.returncode == 0, f"training on {threads} threads: {result.stderr}")
        outputs.append({p.name: p.read_bytes() for p in (folder / f"t{threads}").iterdir()})
    expect(sorted(outputs[0]) == ["curve.svg", "history.csv", "model.safetensors"], f"files {sorted(outputs[0])}")
    for name in outputs[0]:
        expect(outputs[0][name] == outputs[1].get(name), f"{name} differs between one thread and two")
    accuracy = re.search(r"^test accuracy (\d+\.\d+) % \((\d+) of (\d+) images\), 3 epochs in", result.stdout, re.MULTILINE)
    expect(accuracy, f"no test accuracy in: {result.stdout}")
    expect("\r" not in result.stdout and "\x1b" not in result.stdout, "control characters in a log")
    expect(result.stdout.count("epoch ") >= 3, "no progress in a log")

    svg = xml.etree.ElementTree.fromstring(outputs[0]["curve.svg"])
    lines = svg.findall("{http://www.w3.org/2000/svg}polyline")
    expect(len(lines) == 4, f"{len(lines)} lines in curve.svg")
    history = outputs[0]["history.csv"].decode().splitlines()
    expect(history[0] == "epoch,learning_rate,train_loss,train_accuracy,test_loss,test_accuracy", history[0])
    expect(len(history) == 4 and all(len(line.split(",")) == 6 for line in history), "history.csv")

    model = folder / "t1" / "model.safetensors"
    result = run(program, "eval", model)
    expect(result.returncode == 0, f"eval: {result.stderr}")
    expect(accuracy and f"test accuracy {accuracy[1]} % ({accuracy[2]} of {accuracy[3]} images)" in result.stdout,
           f"eval and train disagree: {result.stdout}")
    expect(len(re.findall(r"^ +\d+ .* %$", result.stdout, re.MULTILINE)) == 10, f"no table in: {result.stdout}")
    result = run(program, "predict", model, 0, 1796)
    expect(result.returncode == 0 and "image 1796, a 8" in result.stdout, f"predict: {result.stdout} {result.stderr}")
    expect(run(program, "predict", model).stdout.count("image ") == 5, "predict shows five images unless told")

    other = run(program, "train", "digits", "--seed", 6, "--epochs", 3, "--out", folder / "t2", "--quiet")
    expect(other.stdout.count("\n") == 1, f"--quiet prints: {other.stdout}")
    expect((folder / "t2" / "model.safetensors").read_bytes() != outputs[0]["model.safetensors"],
           "another seed gives the same model")


def check_accuracy(program, folder):
    result = run(program, "train", "digits", "--epochs", 20, "--out", folder / "good", "--quiet")
    accuracy = re.search(r"^test accuracy (\d+\.\d+) %", result.stdout)
    expect(accuracy and float(accuracy[1]) >= 97, f"too few are right: {result.stdout}{result.stderr}")
    result = run(program, "train", "digits", "--epochs", 2, "--hidden", "16,16,16", "--lr", 0.01, "--batch-size", 2000,
                 "--out", folder / "odd", "--quiet")
    expect(result.returncode == 0, f"other options: {result.stderr}")
    expect("64-16-16-16-10" in run(program, "eval", folder / "odd" / "model.safetensors").stdout, "--hidden")


def check_errors(program, folder):
    """Exit code 2 for what was typed wrong, 1 for what did not work; one or two lines, no more."""
    (folder / "text").write_text("hello")
    model = folder / "t1" / "model.safetensors"
    damaged = folder / "damaged"
    damaged.write_bytes(model.read_bytes()[:-1])
    for code, arguments, text in [
        (2, [], "subcommand"), (2, ["nonsense"], "subcommand"), (2, ["train"], "subcommand"),
        (2, ["train", "digits", "--epochs", "0"], "--epochs"), (2, ["train", "digits", "--epochs", "x"], "--epochs"),
        (2, ["train", "digits", "--lr", "-1"], "--lr"), (2, ["train", "digits", "--hidden", "12,x"], "--hidden"),
        (2, ["train", "digits", "--hidden", "0"], "--hidden"), (2, ["train", "digits", "--odd"], "--odd"),
        (2, ["info", "--threads", "0"], "--threads"), (2, ["eval"], "MODEL"), (2, ["eval", model, "x"], "x"),
        (1, ["eval", folder / "none"], "No such file"), (1, ["eval", folder], "not a regular file"),
        (1, ["eval", folder / "text"], "5 bytes"), (1, ["eval", damaged], "data_offsets"),
        (1, ["predict", model, "1797"], "1797"), (1, ["train", "digits", "--out", "/proc/none"], "/proc/none"),
        (1, ["train", "digits", "--out", folder / "text"], "text"),
        (1, ["train", "digits", "--data", folder / "none", "--out", folder / "unused"], "No such file"),
        (1, ["eval", model, "--data", folder / "text"], "line 1, column 1"),
    ]:
        result = run(program, *arguments)
        lines = result.stderr.count("\n")
        expect(result.returncode == code and text in result.stderr and 1 <= lines <= 2 and not result.stdout,
               f"lamina {' '.join(map(str, arguments))}: code {result.returncode}, {result.stdout}{result.stderr}")
    expect(not (folder / "unused").exists(), "a folder was made for a training that did not start")
    result = run(program, "info", LAMINA_SIMD="odd")
    expect(result.returncode == 1 and "LAMINA_SIMD" in result.stderr and not result.stdout, f"info: {result.stderr}")


def check_info(program):
    result = run(program, "info", "--threads", 3)
    expect(result.returncode == 0, result.stderr)
    for label in ("lamina", "CPU", "caches", "SIMD built", "SIMD supported", "SIMD active", "threads"):
        expect(re.search(rf"^{label} +\S", result.stdout, re.MULTILINE), f"info says nothing of {label}")
    expect(re.search(r"^threads +3: ", result.stdout, re.MULTILINE), f"info --threads 3: {result.stdout}")
    for arguments in (["--help"], ["train", "digits", "--help"], ["--version"]):
        result = run(program, *arguments)
        expect(result.returncode == 0 and "lamina" in result.stdout and not result.stderr, f"{arguments}")


def on_terminal(program, *arguments, **environment):
    """Output and exit code of the program on a terminal of 100 columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update({"TERM": "xterm", **environment})
        os.system("stty cols 100")
        os.execv(program, [str(program), *map(str, arguments)])
    output = b""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
    os.close(terminal)
    return output.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_terminal(program, folder):
    command = ["train", "digits", "--epochs", 3, "--out", folder / "terminal"]
    output, code = on_terminal(program, *command)
    expect(code == 0 and "\repoch 3/3 [" in output and "\x1b[32m" in output, f"on a terminal: {output!r}")
    output, code = on_terminal(program, *command, NO_COLOR="1")
    expect(code == 0 and "\repoch 3/3 [" in output and "\x1b[32m" not in output, f"NO_COLOR: {output!r}")
    output, code = on_terminal(program, *command, TERM="dumb")
    expect(code == 0 and "\x1b" not in output and "epoch 3/3  loss" in output, f"TERM=dumb: {output!r}")


def check_interrupt(program, folder):
    """Ctrl-C leaves a model that works."""
    out = folder / "interrupted"
    process = subprocess.Popen([program, "train", "digits", "--epochs", "100000", "--out", str(out)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    expect(process.returncode == 130 and "interrupted" in stderr, f"Ctrl-C: {process.returncode} {stdout}{stderr}")
    expect(sorted(p.name for p in out.iterdir()) == ["curve.svg", "history.csv", "model.safetensors"],
           f"after Ctrl-C: {sorted(out.iterdir())}")
    expect(run(program, "eval", out / "model.safetensors").returncode == 0, "the model of an interrupted training")


def check_prefix(program, digits, folder):
    """The program finds the digits beside itself wherever it is installed, and says so if they are not there."""
    (folder / "a prefix" / "bin").mkdir(parents=True)
    moved = folder / "a prefix" / "bin" / "lamina"
    shutil.copy(program, moved)
    result = run(moved, "eval", folder / "t1" / "model.safetensors")
    expect(result.returncode == 1 and "--data" in result.stderr, f"without digits: {result.stderr}")
    (folder / "a prefix" / "share" / "lamina" / "digits").mkdir(parents=True)
    shutil.copy(digits, folder / "a prefix" / "share" / "lamina" / "digits")
    result = run(moved, "eval", folder / "t1" / "model.safetensors")
    expect(result.returncode == 0, f"installed: {result.stderr}")


def main(program, digits):
    program, digits = os.path.abspath(program), os.path.abspath(digits)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chdir(folder)
        check_training(program, folder)
        check_accuracy(program, folder)
        check_errors(program, folder)
        check_info(program)
        check_terminal(program, folder)
        check_interrupt(program, folder)
        check_prefix(program, digits, folder)
    print(f"check_program: {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
