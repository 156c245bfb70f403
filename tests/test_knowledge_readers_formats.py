"""The registry of formats is complete, and its guide is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from knowledge.documents import Reading
from knowledge.media_types import Format
from knowledge.readers.formats import READERS, reader

ROOT = Path(__file__).parent.parent


def test_every_format_is_registered() -> None:
    assert set(READERS) == set(get_args(Format))


@pytest.mark.parametrize("name", sorted(READERS))
def test_each_reader_is_a_file_of_the_name_of_its_format(name: Format) -> None:
    assert READERS[name] == f"knowledge.readers.{name}"
    assert callable(reader(name))


@pytest.mark.parametrize("name", ["csv", "html", "json", "md", "mdx", "rst", "rtf", "txt"])
def test_text_formats_take_any_text_at_all(name: Format) -> None:
    text = "x <y> {z} [a](b) | c ``` \\ \U0001f600 ' \" & # * _ - = ~ ` : :: .. \t\u200b\n" * 3
    assert isinstance(reader(name)(text.encode()), Reading)


def test_the_guide_can_be_followed() -> None:
    text = (ROOT / "docs" / "add-a-document-format.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/add-a-document-format.md", "exec"), {})
