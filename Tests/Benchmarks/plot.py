# SPDX-License-Identifier: Apache-2.0
"""Draws the figures of scale.py: milliseconds of store time for one VM over the number of VMs that run."""
import math

PANELS = [("created", "created as by xl"), ("destroyed", "destroyed as by xl"),
          ("light created", "created with 42 requests"), ("interrupt", "an interrupt about a domain")]
COLOURS = ["#1b6ca8", "#c0392b", "#7d8b2f", "#7a4fa3", "#d68910"]
WIDTH, HEIGHT, EDGE = 420, 280, 60


def draw(file, results):
    """Both axes are logarithmic. 0 running VMs stand at 10."""
    rows = [row for rows in results.values() for row in rows]
    if not rows:
        return
    times = [max(row[key], 0.001) for row in rows for key, _ in PANELS]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    parts = [panel(results, index, key, title, low, high) for index, (key, title) in enumerate(PANELS)]
    parts += [legend(index, name) for index, name in enumerate(results)]
    width, height = 2 * WIDTH, 2 * HEIGHT + 30
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11">\n<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def panel(results, index, key, title, low, high):
    left, top = index % 2 * WIDTH + EDGE, index // 2 * HEIGHT + 40
    width, height = WIDTH - EDGE - 20, HEIGHT - 80

    def place(row):
        across = (math.log10(max(row["running"], 10)) - 1) / 3
        up = (math.log10(max(row[key], 0.001)) - low) / (high - low)
        return f"{left + across * width:.1f},{top + height * (1 - up):.1f}"

    lines = [f'<text x="{left}" y="{top - 14}" font-weight="bold">{title}, ms</text>']
    for power in range(low, high + 1):
        y = top + height * (1 - (power - low) / (high - low))
        lines.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/>')
        lines.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10 ** power:g}</text>')
    for power, text in ((1, "0"), (2, "100"), (3, "1,000"), (4, "10,000")):
        x = left + (power - 1) / 3 * width
        lines.append(f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{text}</text>')
    for number, rows in enumerate(results.values()):
        colour = COLOURS[number % len(COLOURS)]
        points = [place(row) for row in rows]
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            x, y = point.split(",")
            lines.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
    return "\n".join(lines)


def legend(index, name):
    x, y = EDGE + 160 * index, 2 * HEIGHT + 15
    return (f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[index % len(COLOURS)]}"/>'
            f'<text x="{x + 16}" y="{y}">{name}</text>')
