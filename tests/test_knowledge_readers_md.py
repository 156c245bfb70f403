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


def test_a_footnote_stands_behind_what_refers_to_it() -> None:
    text = (
        "# Fees\n\n## Rooms\n\nA room is 50.[^a] Breakfast[^b] is not.[^a]\n\n"
        "| Room | Fee |\n| --- | --- |\n| Blue | 50[^a] |\n\n- One[^b]\n- two\n\n## Contact[^c]\n\nCall.\n\n"
        "[^a]: Not for students.\n\n    Nor guests.\n[^b]: Buffet.\n[^c]: See\n\n    ```\n    code\n    ```\n"
    )
    assert [
        (section.headings[-1], [block.text for block in section.blocks])
        for section in read(text.encode()).sections
    ] == [
        (
            "Rooms",
            [
                "A room is 50.^1 Breakfast^2 is not.^1",
                "Note 1: Not for students. Nor guests.",
                "Note 2: Buffet.",
                "| Room | Fee |\n| --- | --- |\n| Blue | 50^1 (Not for students. Nor guests.) |",
                "- One^2\n  Note 2: Buffet.\n- two",
            ],
        ),
        ("Contact^3", ["Call.", "1. See", "code"]),
    ]
