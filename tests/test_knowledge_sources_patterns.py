"""Patterns of a folder source, as people know them from .gitignore files."""

import pytest

from knowledge.sources.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("*.md", "a.md", True),
        ("*.md", "deep/er/a.md", True),
        ("*.md", "a.mdx", False),
        ("**", "any/thing", True),
        ("drafts/", "drafts/a.md", True),
        ("drafts/", "deep/drafts/a.md", True),
        ("drafts/", "drafts/", True),
        ("drafts/", "drafts", False),
        ("/archive", "archive/a.md", True),
        ("/archive", "deep/archive/a.md", False),
        ("people/*.md", "people/a.md", True),
        ("people/*.md", "people/deep/a.md", False),
        ("people/**/*.md", "people/deep/er/a.md", True),
        ("a[12].md", "a1.md", True),
        ("Gehälter/", "Geha\u0308lter/liste.md", True),
        ("Geha\u0308lter/", "Gehälter/liste.md", True),
        ("", "a.md", False),
    ],
)
def test_a_pattern_means_what_it_means_in_a_gitignore_file(pattern: str, path: str, *, meant: bool) -> None:
    assert Patterns([pattern]).match(path) is meant


def test_the_last_pattern_that_matches_decides() -> None:
    patterns = Patterns(["*.md", "!keep.md"])

    assert patterns.match("deep/other.md")
    assert not patterns.match("deep/keep.md")
