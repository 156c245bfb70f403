"""Parses XML that strangers wrote.

Rule: no document type declaration with entities, no entities, no network, no huge trees.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from knowledge.errors import Unreadable

MAX_DEPTH: Final = 256


def parse(body: bytes) -> etree._Element | None:
    """The root of an XML document, None for an empty one.

    Raises `Unreadable` when it is not well formed, is nested deeper than libxml2's 256 levels, or
    declares entities.
    """
    if not body.strip():
        return None
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"broken XML inside ({str(error)[:80]})") from error
    except ValueError as error:
        raise Unreadable("broken XML inside") from error
    declared = root.getroottree().docinfo.internalDTD
    if isinstance(declared, etree.DTD) and any(True for _ in declared.iterentities()):  # type: ignore[attr-defined]
        raise Unreadable("XML with entities inside")
    return root


def local(element: etree._Element) -> str:
    """The name of an element without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute by its name without namespace."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None
