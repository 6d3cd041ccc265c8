#!/usr/bin/env python3
"""Draws the table of `compare --out PREFIX` as an SVG: one dot for each row, by group.

chart.py PREFIX.csv OUT.svg

A dot right of the line at 1: lamina is faster than the best other library there.
"""

import csv
import html
import math
import sys

LEFT, WIDTH, LANE, TOP = 118, 700, 46, 64
LOW, HIGH = 0.5, 32.0

STYLE = """
  .ground { fill: #ffffff }
  text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .small { font-size: 11px }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .one { stroke: #57606a; stroke-width: 1.5 }
  .f32 { fill: #0969da; stroke: #0969da } .f64 { fill: #d1570a; stroke: #d1570a }
  .t1 { fill-opacity: 0.75; stroke: none } .t2 { fill-opacity: 0; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .grid { stroke: #30363d }
    .one { stroke: #8b949e }
    .f32 { fill: #58a6ff; stroke: #58a6ff } .f64 { fill: #f0883e; stroke: #f0883e }
  }
"""


def place(ratio):
    ratio = min(max(ratio, LOW), HIGH)
    return LEFT + WIDTH * math.log(ratio / LOW) / math.log(HIGH / LOW)


def chart(rows):
    groups = list(dict.fromkeys(row["group"] for row in rows))
    height = TOP + LANE * len(groups) + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{LEFT + WIDTH + 90}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="22">Time of the best other library / time of lamina</text>',
        f'<text class="small" x="{LEFT}" y="42">one dot a row; right of 1: lamina is faster</text>',
    ]
    x = LEFT + WIDTH - 190
    for name, style, text in (("f32", "t1", "float, one thread"), ("f64", "t1", "double")):
        parts.append(f'<circle class="{name} {style}" cx="{x}" cy="38" r="4"/><text class="small" x="{x + 8}" y="42">{text}</text>')
        x += 118
    parts.append(f'<circle class="f32 t2" cx="{x - 46}" cy="38" r="4"/><text class="small" x="{x - 38}" y="42">more threads</text>')
    bottom = TOP + LANE * len(groups)
    tick = LOW
    while tick <= HIGH:
        style = "one" if tick == 1 else "grid"
        parts.append(f'<line class="{style}" x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="small" text-anchor="middle" x="{place(tick):.1f}" y="{bottom + 18}">{tick:g}</text>')
        tick *= 2
    for lane, group in enumerate(groups):
        members = [row for row in rows if row["group"] == group]
        ratios = [float(row["ratio"]) for row in members]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        y = TOP + LANE * lane
        parts.append(f'<text text-anchor="end" x="{LEFT - 12}" y="{y + LANE / 2 + 4:.0f}">{html.escape(group)}</text>')
        parts.append(f'<text class="small" x="{LEFT + WIDTH + 10}" y="{y + LANE / 2 + 4:.0f}">mean {mean:.2f}</text>')
        # Float above, double below, thread counts apart, so that dots hide each other less.
        for i, row in enumerate(members):
            shift = (0.16 if row["type"] == "f32" else 0.56) + (0.20 if row["threads"] != "1" else 0.0)
            offset = y + LANE * (shift + 0.05 * (i % 3))
            label = f'{row["operation"]} {row["shape"]} {row["type"]}, {row["threads"]} threads, {row["terms"]}: {float(row["ratio"]):.2f} ({row["best_peer"]})'
            style = "t1" if row["threads"] == "1" else "t2"
            parts.append(f'<circle class="{row["type"]} {style}" cx="{place(float(row["ratio"])):.1f}" cy="{offset:.1f}" r="3.2"><title>{html.escape(label)}</title></circle>')
    parts.append(f'<text class="small" x="{LEFT}" y="{bottom + 40}">mean: geometric, over the rows of the group</text></svg>')
    return "\n".join(parts) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["ratio"]) > 0]
    if not rows:
        sys.exit("chart.py: no row has another library in it")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(chart(rows))


if __name__ == "__main__":
    main()
