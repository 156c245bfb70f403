"""Plots as SVG for a page that has the colours: bars with intervals, stacked counts, curves.

Rule: numbers are worked out here and texts are escaped here; nothing else gets into the drawing.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from bot.evaluation.report import Bars, Lines, Plot, Stack

WIDTH, LABELS, ROW, BAR = 720, 170, 34, 18
_RIGHT = 90  # room for the value behind a bar
_COLOURS = 9
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def drawing(plot: Plot) -> str:
    """The <svg> element; its colours are the variables --c0 to --c8 of the page around it."""
    match plot:
        case Bars():
            parts, height = list(_bars(plot)), ROW * len(plot.bars) + 30
        case Stack():
            parts, height = list(_stack(plot)), ROW * len(plot.rows) + _legend_height(len(plot.kinds)) + 10
        case Lines():
            parts, height = list(_lines(plot)), 360 + _legend_height(len(plot.lines))
    body = "\n".join(parts)
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<title>{_text(plot.title)}</title>\n{body}\n</svg>"
    )


def _bars(plot: Bars) -> Iterator[str]:
    room = WIDTH - LABELS - _RIGHT
    bottom = ROW * len(plot.bars)
    for tick in _TICKS:
        x = LABELS + tick * room
        yield f'<line class="rule" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:.2f}</text>'
    for place, bar in enumerate(plot.bars):
        top = place * ROW + (ROW - BAR) / 2
        middle = place * ROW + ROW / 2
        yield _label(bar.label, middle)
        yield _rectangle(LABELS, top, _held(bar.value) * room, place)
        low, high = LABELS + _held(bar.low) * room, LABELS + _held(bar.high) * room
        yield f'<line class="whisker" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
        for end in (low, high):
            yield f'<line class="whisker" x1="{end:.1f}" y1="{middle - 5}" x2="{end:.1f}" y2="{middle + 5}"/>'
        yield f'<text x="{WIDTH - _RIGHT + 12}" y="{middle + 4}">{bar.value:.3f}</text>'


def _stack(plot: Stack) -> Iterator[str]:
    room = WIDTH - LABELS - _RIGHT
    for place, (label, counts) in enumerate(plot.rows):
        middle = place * ROW + ROW / 2
        yield _label(label, middle)
        total = sum(counts)
        x = float(LABELS)
        for kind, count in enumerate(counts):
            width = room * count / total if total else 0.0
            if count:
                yield _rectangle(x, middle - BAR / 2, width, kind, f"{plot.kinds[kind]}: {count}")
            x += width
        yield f'<text x="{WIDTH - _RIGHT + 12}" y="{middle + 4}">{total}</text>'
    yield from _legend(plot.kinds, ROW * len(plot.rows) + 14)


def _lines(plot: Lines) -> Iterator[str]:
    left, top, wide, high = 60, 12, WIDTH - 90, 290
    highest = max((y for _, points in plot.lines for _, y in points), default=1.0)
    ceiling = next(tick for tick in (0.1, 0.25, 0.5, 1.0) if _held(highest) <= tick)
    for tick in _TICKS:
        x, y = left + tick * wide, top + (1 - tick) * high
        yield f'<line class="rule" x1="{left}" y1="{y:.1f}" x2="{left + wide}" y2="{y:.1f}"/>'
        yield f'<text class="faint" x="{x:.1f}" y="{top + high + 18}" text-anchor="middle">{tick:.2f}</text>'
        label = f"{tick * ceiling:.3g}"
        yield f'<text class="faint" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    yield f'<text class="faint" x="{left + wide / 2}" y="{top + high + 36}" text-anchor="middle">{_text(plot.x)}</text>'
    yield (
        f'<text class="faint" text-anchor="middle" transform="translate(14 {top + high / 2}) rotate(-90)">'
        f"{_text(plot.y)}</text>"
    )
    for place, (label, points) in enumerate(plot.lines):
        spots = [(left + _held(x) * wide, top + (1 - _held(y) / ceiling) * high) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        colour = f"var(--c{place % _COLOURS})"
        yield (
            f'<polyline points="{path}" fill="none" style="stroke:{colour}" stroke-width="2">'
            f"<title>{_text(label)}</title></polyline>"
        )
        if spots:  # a curve of one point has no line
            yield f'<circle cx="{spots[-1][0]:.1f}" cy="{spots[-1][1]:.1f}" r="3" style="fill:{colour}"/>'
    yield from _legend(tuple(label for label, _ in plot.lines), top + high + 52)


def _legend(kinds: tuple[str, ...], top: float) -> Iterator[str]:
    for place, kind in enumerate(kinds):
        x, y = 10 + place % 3 * 230, top + place // 3 * 20
        yield f'<rect x="{x}" y="{y}" width="12" height="12" style="fill:var(--c{place % _COLOURS})"/>'
        yield f'<text x="{x + 18}" y="{y + 11}">{_text(kind)}</text>'


def _legend_height(kinds: int) -> int:
    return 20 * ((kinds + 2) // 3) + 14


def _label(text: str, middle: float) -> str:
    return f'<text x="{LABELS - 10}" y="{middle + 4}" text-anchor="end">{_text(text)}</text>'


def _rectangle(x: float, y: float, width: float, colour: int, title: str = "") -> str:
    told = f"<title>{_text(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" '
        f'style="fill:var(--c{colour % _COLOURS})">{told}</rect>'
    )


def _held(value: float) -> float:
    return min(1.0, max(0.0, value))


def _text(text: str) -> str:
    return html.escape("".join(sign if sign.isprintable() else "�" for sign in text))
