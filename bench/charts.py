# SPDX-License-Identifier: MIT
"""Line charts as SVG text, for report.py: no script, no font and no file from elsewhere."""
import html
import math

COLOURS = ["#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#c2255c", "#868e96", "#1864ab", "#a61e4d", "#5c940d"]
WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 20, 50


class Axis:
    """Values to positions, linear or by their logarithm, and where its marks stand."""

    def __init__(self, values, begin, end, log):
        values = [v for v in values if not log or v > 0] or [1]
        self.low, self.high = min(values), max(values)
        self.begin, self.end, self.log = begin, end, log
        if log:
            self.low = 10 ** math.floor(math.log10(self.low))
            self.high = 10 ** math.ceil(math.log10(self.high))
        elif self.low > 0:
            self.low = 0
        if self.low == self.high:
            self.high = self.low * 10 if log else self.low + 1

    def place(self, value):
        if self.log:
            share = math.log10(max(value, self.low) / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def marks(self):
        if self.log:
            return [10**e for e in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10((self.high - self.low) / 2))
        while (self.high - self.low) / step > 8:
            step *= 2 if (self.high - self.low) / step < 16 else 5
        first = math.ceil(self.low / step)
        return [first * step + i * step for i in range(int((self.high - first * step) / step + 1e-9) + 1)]


def short(value):
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def line_chart(series, x_label, y_label, x_log=False, y_log=False, x_marks=None):
    """`series`: a name and its points each. `x_marks`: places and texts, instead of round numbers."""
    points = [point for _, line in series for point in line]
    if not points:
        return ""
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, x_log)
    y = Axis([p[1] for p in points], HEIGHT - BOTTOM, TOP, y_log)
    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(y_label)}">']
    for mark in y.marks():
        at = y.place(mark)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{short(mark)}</text>')
    for mark, text in x_marks or [(m, short(m)) for m in x.marks()]:
        at = x.place(mark)
        out.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_label)}</text>')
    out.append(f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
               f"{html.escape(y_label)}</text>")
    for number, (name, line) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 3"' if number >= len(COLOURS) else ""
        path = " ".join(f"{x.place(a):.1f},{y.place(b):.1f}" for a, b in line)
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{path}"/>')
        at = TOP + 12 + number * 18
        out.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{at - 9}" width="12" height="4" fill="{colour}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 32}" y="{at - 3}">{html.escape(name)}</text>')
    out.append("</svg>")
    return "\n".join(out)
