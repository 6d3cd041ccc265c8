#!/usr/bin/env python3
"""Holds the table of `compare --out PREFIX` against the goals: how many times the best other library's speed each row
should reach.

goals.py PREFIX.csv [PREFIX.csv ...]

Prints, as tables in Markdown, how many rows are at their goal or above, and which are not. "Ceiling" is the speed at
the row's measured limit (FMA peak of the direct method, or bandwidth) over the best other library's: no goal above it can
be reached, but by doing fewer operations. Calls of a few hundred elements have no goal here.
"""

import csv
import fnmatch
import sys
from typing import NamedTuple


class Goal(NamedTuple):
    operation: str  # patterns as in the shell; the first goal that fits counts
    shape: str
    type: str
    terms: str
    one: float  # with one thread
    more: float  # with more threads


def goal(operation, shape, type_, terms, one, more=None):
    return Goal(operation, shape, type_, terms, one, one if more is None else more)


def each(operations, shapes, *rest):
    return [goal(operation, shape, *rest) for operation in operations for shape in shapes]


SIZES = ("4096", "262144", "16777216")
DEPTHWISE = ("32x112x32", "128x56x128", "512x14x512")  # as many channels out as in

GOALS = [
    # Matrix products: columns after rows, then depth.
    goal("gemm", "1x4096x4096", "*", "*", 1.15, 1.3),
    goal("gemm", "8x4096x4096", "*", "packed", 1.25),
    goal("gemm", "8x4096x4096", "*", "plain", 1.5),
    goal("gemm", "50000x10x784", "*", "*", 1.3),
    goal("gemm", "49x512x4608", "f64", "*", 1.3),
    *each(("gemm",), ("16x16x16", "32x32x32"), "*", "*", 1.0),
    goal("gemm", "*", "f32", "packed", 0.97),
    goal("gemm*", "*", "f32", "plain", 1.0),
    goal("gemm*", "*", "f64", "*", 1.05),
    # Convolution.
    *each(("conv2d",), [f"*x{channels} *" for channels in DEPTHWISE], "*", "nhwc", 1.1),
    *each(("conv2d",), [f"16x{channels} *" for channels in DEPTHWISE], "*", "plain", 1.5),
    *each(("conv2d",), [f"*x{channels} *" for channels in DEPTHWISE], "*", "plain", 2.0),
    goal("conv2d*", "*", "f64", "*", 2.0, 3.5),
    goal("conv2d_backward_input", "*", "f32", "*", 1.0),
    goal("conv2d_backward_weight", "*", "f32", "*", 1.05),
    goal("conv2d", "* 3x3/1", "f32", "*", 1.3),
    goal("conv2d", "16x*x56x*", "f32", "plain", 1.1),
    goal("conv2d", "*", "f32", "plain", 1.05),
    goal("conv2d", "*", "f32", "*", 0.97),
    # Element-wise.
    *each(("relu", "add", "mul"), ("4096",), "*", "*", 1.5),
    *each(("relu", "add", "mul"), ("262144",), "*", "*", 1.0),
    *each(("relu", "add", "mul"), ("16777216",), "f32", "*", 1.2),
    *each(("relu", "add", "mul"), ("16777216",), "f64", "*", 1.0),
    *each(("exp",), SIZES, "f64", "*", 1.5),
    *each(("tanh",), SIZES, "f64", "*", 4.0),
    goal("gelu*", "*", "f64", "*", 5.0),
    goal("mish", "*", "f64", "*", 10.0),
    *each(("exp", "sigmoid", "silu", "tanh", "gelu*", "mish"), ("4096",), "f32", "*", 2.0),
    goal("exp", "*", "f32", "*", 1.0),
    goal("sigmoid", "*", "f32", "*", 1.0),
    goal("silu", "*", "f32", "*", 1.2),
    goal("tanh", "*", "f32", "*", 1.6),
    goal("gelu", "*", "f32", "*", 1.1),
    goal("gelu_tanh", "*", "f32", "*", 1.8),
    goal("mish", "*", "f32", "*", 1.4),
    # Reductions, softmax, norms, pooling.
    goal("sum", "*", "*", "*", 1.0),
    goal("mean", "*", "*", "*", 1.0),
    goal("max", "*", "*", "*", 1.3),
    goal("argmax", "*", "*", "*", 1.3),
    goal("*softmax", "*", "f64", "*", 2.5),
    goal("softmax", "*", "f32", "*", 1.3),
    goal("log_softmax", "*", "f32", "*", 1.5),
    goal("layer_norm", "*", "f64", "*", 3.0),
    goal("rms_norm", "*", "f64", "*", 3.0),
    goal("layer_norm", "1024x768", "f32", "*", 1.3),
    goal("layer_norm", "4096x4096", "f32", "*", 1.5),
    goal("rms_norm", "1024x768", "f32", "*", 1.0),
    goal("rms_norm", "4096x4096", "f32", "*", 1.4),
    goal("batch_norm*", "*", "*", "plain", 1.4),
    goal("batch_norm*", "*", "*", "nhwc", 1.1),
    goal("global_avg_pool", "*", "*", "plain", 1.5),
    goal("*_pool", "*", "f32", "plain", 2.0),
    goal("*_pool", "*", "f64", "plain", 8.0),
    goal("*_pool", "*", "*", "nhwc", 1.2),
    # Attention, tables, losses, training.
    goal("attention", "*causal", "*", "*", 2.0),
    goal("attention", "*", "*", "*", 1.15),
    goal("embedding", "*", "*", "*", 1.0),
    goal("embedding_bag", "*", "*", "*", 1.3),
    goal("cross_entropy*", "4096x1000", "*", "*", 4.0),
    goal("cross_entropy*", "*", "*", "*", 1.0),
    goal("train_mlp", "*", "*", "*", 1.15, 1.4),
    goal("train_lenet", "*", "*", "*", 4.0),
    goal("train_cnn", "*", "*", "*", 3.0),
]


def goal_of(row):
    for g in GOALS:
        if (
            fnmatch.fnmatchcase(row["operation"], g.operation)
            and fnmatch.fnmatchcase(row["shape"], g.shape)
            and fnmatch.fnmatchcase(row["type"], g.type)
            and fnmatch.fnmatchcase(row["terms"], g.terms)
        ):
            return g.one if row["threads"] == "1" else g.more
    return None


def report(rows):
    met, below, beyond = 0, [], []
    for row in rows:
        aim = goal_of(row)
        if aim is None or row["group"] == "call":
            continue
        ratio, fraction = float(row["ratio"]), float(row["fraction"])
        if round(ratio, 2) >= aim:
            met += 1
            continue
        ceiling = ratio / fraction if fraction > 0.02 else float("inf")
        (beyond if ceiling < aim else below).append((row, ratio, aim, ceiling))
    lines = [f"{met} rows at their goal or above, {len(below)} below, {len(beyond)} with a goal above their measured limit."]
    for title, chosen in (("Below", below), ("Goal above the limit", beyond)):
        if not chosen:
            continue
        lines += ["", f"{title}:", "", "| row | type | threads | terms | ratio | goal | ceiling | best other |", "|---|---|---|---|---|---|---|---|"]
        for row, ratio, aim, ceiling in sorted(chosen, key=lambda entry: entry[1] / entry[2]):
            lines.append(
                f'| {row["operation"]} {row["shape"]} | {row["type"]} | {row["threads"]} | {row["terms"]} '
                f'| {ratio:.2f} | {aim:g} | {"-" if ceiling == float("inf") else f"{ceiling:.2f}"} | {row["best_peer"]} |'
            )
    return "\n".join(lines)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rows = []
    for name in sys.argv[1:]:
        with open(name, newline="", encoding="utf-8") as file:
            rows += [row for row in csv.DictReader(file) if float(row["ratio"]) > 0]
    print(report(rows))


if __name__ == "__main__":
    main()
