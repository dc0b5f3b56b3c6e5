"""A bar chart of ratios as SVG: bars from 0, the median as their length, least and greatest as a line across it."""

from html import escape

ROW, LEFT, WIDTH, RIGHT = 26, 330, 420, 90


def svg(rows):
    """`rows`: (label, [median, least, greatest])."""
    # A peer that is ten times slower must not squeeze the rest: the axis ends at 2, and longer bars are cut and told.
    top = min(2.0, max([1.1, *(greatest for _, (_, _, greatest) in rows)]))
    height = ROW * len(rows) + 60

    def x(ratio):
        return LEFT + WIDTH * min(ratio, top) / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20">grantd divided by the other side; the line at 1 is as fast</text>',
    ]
    for number, (label, (median, least, greatest)) in enumerate(rows):
        y = 34 + ROW * number
        middle = y + (ROW - 6) / 2
        parts += [
            f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{x(median) - LEFT:.1f}" height="{ROW - 6}" fill="#3b7ea1"/>',
            f'<line x1="{x(least):.1f}" x2="{x(greatest):.1f}" y1="{middle}" y2="{middle}" stroke="#222" stroke-width="2"/>',
            f'<text x="{x(max(median, greatest)) + 6:.1f}" y="{middle + 4}">{median:.2f}</text>',
        ]
    end = 34 + ROW * len(rows)
    parts += [f'<line x1="{x(1):.1f}" x2="{x(1):.1f}" y1="28" y2="{end}" stroke="#c33" stroke-dasharray="4 3"/>', "</svg>"]
    return "\n".join(parts) + "\n"
