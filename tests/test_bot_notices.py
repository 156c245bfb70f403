"""The sentences that stand in place of an answer."""

from __future__ import annotations

import pytest

from bot.notices import Notices


@pytest.mark.parametrize(
    ("language", "parts"), [("en", ("4,200", "1,234,000")), ("de", ("4.200", "1.234.000"))]
)
def test_figures_are_written_as_the_language_writes_them(language: str, parts: tuple[str, str]) -> None:
    text = Notices("", language=language).too_long(1_234_000, 4_200)
    assert all(part in text.split() or f"{part}." in text for part in parts)
