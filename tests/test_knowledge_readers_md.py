"""Front matter of Markdown as people write it."""

from knowledge.readers.md import read


def test_front_matter_that_is_nearly_yaml_still_gives_title_and_date() -> None:
    reading = read(
        b'---\ntitle: Leave\nupdated: 2025-12-08\nreplaces: "Holidays" page of the wiki\n---\n\nText.\n'
    )

    assert reading.title == "Leave"
    assert reading.updated_at is not None
    assert [block.text for section in reading.sections for block in section.blocks] == ["Text."]
