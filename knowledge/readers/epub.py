"""Reads EPUB books.

Rule: the chapters in the order of the spine, nothing that is not in it; one without a heading has the name that the
table of contents gives it, not the heading of the chapter before.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from lxml import etree

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import html, xml
from knowledge.readers.archive import Archive
from knowledge.readers.dates import from_words
from knowledge.readers.encodings import decode
from knowledge.readers.html_text import HEADINGS, text_of
from knowledge.readers.outline import Outline

_NCX: Final = "application/x-dtbncx+xml"
_CHAPTERS: Final = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def read(body: bytes) -> Reading:
    """A book: title and date from its package file, headings from its chapters."""
    archive = Archive(body)
    if "META-INF/encryption.xml" in archive and b"adobe.com/adept" in archive.read("META-INF/encryption.xml"):
        raise Unreadable("encrypted")
    place = _package_path(archive)
    package = xml.parse(archive.read(place))
    if package is None:
        raise Unreadable("a book without a package file")
    outline = Outline()
    notes: list[str] = []
    folder = posixpath.dirname(place)
    names = _names(archive, package, folder)
    for path in _spine(package, folder):
        chapter = archive.read(path)
        if chapter.strip():
            root = html.parse(decode(chapter))
            if path in names and _is_nameless(root):
                outline.heading(1, names[path])
            notes.extend(html.walk(root, outline))
    sections = outline.sections()
    dates = [element.text for element in package.iter() if _is_date(element)]
    return Reading(
        title=_first(package, "title") or outline.first_heading,
        sections=sections,
        updated_at=next((moment for text in dates if (moment := from_words(text))), None),
        notes=tuple(notes),
    )


def _package_path(archive: Archive) -> str:
    container = xml.parse(archive.read("META-INF/container.xml"))
    if container is not None:
        for element in container.iter():
            path = element.get("full-path")
            if xml.local(element) == "rootfile" and path:
                return unquote(path)
    raise Unreadable("a book without a package file")


def _spine(package: etree._Element, folder: str) -> list[str]:
    paths: dict[str, str] = {}
    order: list[str] = []
    for element in package.iter():
        name = xml.local(element)
        if (
            name == "item"
            and element.get("media-type") in _CHAPTERS
            and "nav" not in element.get("properties", "")
        ):
            path = unquote(element.get("href", ""))
            paths[element.get("id", "")] = posixpath.normpath(posixpath.join(folder, path))
        elif name == "itemref":
            order.append(element.get("idref", ""))
    return [paths[item] for item in order if item in paths]


def _names(archive: Archive, package: etree._Element, folder: str) -> dict[str, str]:
    """What the table of contents calls each file; one that it names several times is left out."""
    found: dict[str, set[str]] = {}
    for item in package.iter():
        path = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        entries: Iterator[tuple[str, str]] = iter(())
        if "nav" in item.get("properties", "").split():
            entries = _of_page(archive.read(path))
        elif item.get("media-type") == _NCX:
            entries = _of_ncx(archive.read(path))
        for target, name in entries:
            named = posixpath.join(posixpath.dirname(path), unquote(target.partition("#")[0]))
            found.setdefault(posixpath.normpath(named), set()).add(" ".join(name.split()))
    return {path: next(iter(names)) for path, names in found.items() if len(names) == 1}


def _of_page(body: bytes) -> Iterator[tuple[str, str]]:
    """Target and name of each entry of a navigation page (EPUB 3); none of one that is damaged."""
    try:
        root = html.parse(decode(body))
    except Unreadable:
        return
    for contents in root.iter("nav"):
        if contents.get("epub:type") == "toc":
            yield from ((link.get("href", ""), text_of(link)) for link in contents.iter("a"))


def _of_ncx(body: bytes) -> Iterator[tuple[str, str]]:
    """Target and name of each entry of an NCX file (EPUB 2); none of one that is damaged."""
    try:
        root = xml.parse(body)
    except Unreadable:
        return
    for point in root.iter() if root is not None else ():
        if xml.local(point) == "navPoint":
            parts = {xml.local(part): part for part in point}
            if "content" in parts and "navLabel" in parts:
                yield parts["content"].get("src", ""), "".join(map(str, parts["navLabel"].itertext()))


def _is_nameless(root: etree._Element) -> bool:
    """Whether a chapter has text and no heading."""
    body = root.find("body")
    says = body is not None and any(str(text).strip() for text in body.itertext())
    return says and next(root.iter(*HEADINGS), None) is None


def _is_date(element: etree._Element) -> bool:
    name = xml.local(element)
    return name == "date" or (name == "meta" and element.get("property") == "dcterms:modified")


def _first(package: etree._Element, name: str) -> str | None:
    for element in package.iter():
        if xml.local(element) == name and element.text and element.text.strip():
            return " ".join(element.text.split())
    return None
