"""Markdown as people write it: its front matter, and tags in its prose."""

import pytest

from knowledge.readers.md import read


def test_front_matter_that_is_nearly_yaml_still_gives_title_and_date() -> None:
    reading = read(
        b'---\ntitle: Leave\nupdated: 2025-12-08\nreplaces: "Holidays" page of the wiki\n---\n\nText.\n'
    )

    assert reading.title == "Leave"
    assert reading.updated_at is not None
    assert [block.text for section in reading.sections for block in section.blocks] == ["Text."]


@pytest.mark.parametrize("tag", ["script", "style", "title", "iframe", "textarea"])
def test_a_tag_that_is_named_in_the_prose_takes_nothing_with_it(tag: str) -> None:
    reading = read(f"# Tags\n\nPut it into a <{tag}> of the page.\n\n## More\n\nThe rest.\n".encode())

    assert [section.headings for section in reading.sections] == [("Tags",), ("Tags", "More")]
    assert [block.text for section in reading.sections for block in section.blocks] == [
        f"Put it into a <{tag}> of the page.",
        "The rest.",
    ]
