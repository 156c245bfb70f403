"""Reads EPUB books.

Rule: the chapters in the order of the spine, nothing that is not in it.
"""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import unquote

from lxml import etree

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.readers import html, xml
from knowledge.readers.archive import Archive
from knowledge.readers.dates import from_words
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline

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
    for path in _spine(package, posixpath.dirname(place)):
        chapter = archive.read(path)
        if chapter.strip():
            notes.extend(html.walk(html.parse(decode(chapter)), outline))
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


def _is_date(element: etree._Element) -> bool:
    name = xml.local(element)
    return name == "date" or (name == "meta" and element.get("property") == "dcterms:modified")


def _first(package: etree._Element, name: str) -> str | None:
    for element in package.iter():
        if xml.local(element) == name and element.text and element.text.strip():
            return " ".join(element.text.split())
    return None
