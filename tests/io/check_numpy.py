#!/usr/bin/env python3
"""Checks the file formats against NumPy and, for safetensors, against a few lines of Python.

Usage: check_numpy.py PROGRAM      PROGRAM is the test program io_convert
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

TYPES = ["<f4", "<f8", "<i8", "<i4", "|u1", "|b1", ">f4", ">f8", ">i8", ">i4"]
SHAPES = [(), (0,), (1,), (7,), (3, 4), (2, 0, 3), (2, 3, 4), (1, 2, 1, 3, 1, 2, 1, 2)]
SAFETENSORS = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}


def arrays():
    random = np.random.default_rng(1)
    for dtype in TYPES:
        for shape in SHAPES:
            values = random.integers(0, 2 if dtype == "|b1" else 200, size=shape)
            if dtype[1] == "f":
                values = random.standard_normal(size=shape)
            array = np.asarray(values).astype(dtype)
            yield array
            if array.ndim > 1:
                yield np.asfortranarray(array)


def equal(a, b):
    return a.shape == b.shape and a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and np.array_equal(a, b)


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert (8 + length) % 8 == 0, "the data is not aligned"
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length:]
    result = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = np.dtype(SAFETENSORS[entry["dtype"]])
        assert begin % dtype.itemsize == 0, f"{name} is not aligned"
        result[name] = np.frombuffer(body[begin:end], dtype).reshape(entry["shape"])
    return result


def write_safetensors(path, named):
    header, body = {}, b""
    names = {np.dtype(v): k for k, v in SAFETENSORS.items()}
    for name, array in named.items():
        header[name] = {"dtype": names[array.dtype], "shape": array.shape,
                        "data_offsets": [len(body), len(body) + array.nbytes]}
        body += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        jobs, checks = [], []

        def job(source, target, check):
            jobs.extend([source, target])
            checks.append((target, check))

        named = {}
        for i, array in enumerate(arrays()):
            named[f"a{i}"] = array
            version = [(1, 0), (2, 0), (3, 0)][i % 3]
            with open(folder / f"{i}.npy", "wb") as file:
                np.lib.format.write_array(file, array, version=version)
            job(folder / f"{i}.npy", folder / f"{i}_out.npy",
                lambda path, array=array: equal(np.load(path), array))

        def same_archive(path):
            back = np.load(path)
            return list(back) == list(named) and all(equal(back[k], v) for k, v in named.items())

        def same_tensors(path):
            back = read_safetensors(path)
            return sorted(back) == sorted(named) and all(equal(back[k], v) for k, v in named.items())

        np.savez(folder / "stored.npz", **named)
        np.savez_compressed(folder / "packed.npz", **named)
        native = {k: np.ascontiguousarray(v.astype(v.dtype.newbyteorder("<"))) for k, v in named.items()}
        native = {k: v.reshape(named[k].shape) for k, v in native.items()}
        write_safetensors(folder / "in.safetensors", native)
        job(folder / "stored.npz", folder / "stored_out.npz", same_archive)
        if subprocess.run([program]).returncode == 0:
            job(folder / "packed.npz", folder / "packed_out.z.npz", same_archive)
        job(folder / "in.safetensors", folder / "out.safetensors", same_tensors)

        if subprocess.run([program, *map(str, jobs)]).returncode != 0:
            return 1
        wrong = [target.name for target, check in checks if not check(target)]
        print(f"check_numpy: {len(checks)} files, {len(wrong)} differ {' '.join(wrong)}")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
