"""The bytes decide on the format, the suffix only between kinds of text."""

from __future__ import annotations

import io
import zipfile

import pytest

from knowledge.errors import Unreadable
from knowledge.media_types import detect


def archive(*names: str, mimetype: str | None = None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        if mimetype is not None:
            file.writestr("mimetype", mimetype)
        for name in names:
            file.writestr(name, "x")
    return target.getvalue()


@pytest.mark.parametrize(
    ("body", "suffix", "expected"),
    [
        (b"%PDF-1.7\n...", ".txt", "pdf"),
        (b"\n%PDF-1.4", "", "pdf"),
        (b"{\\rtf1 hello}", ".doc", "rtf"),
        (archive("[Content_Types].xml", "word/document.xml"), ".zip", "docx"),
        (archive("[Content_Types].xml", "ppt/presentation.xml"), "", "pptx"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), ".docx", "xlsx"),
        (archive(mimetype="application/vnd.oasis.opendocument.text"), ".docx", "odt"),
        (archive(mimetype="application/epub+zip"), "", "epub"),
        (b"# Leave", ".md", "md"),
        (b"# Leave", ".mdx", "mdx"),
        (b"Leave\n=====", ".rst", "rst"),
        (b"a,b\n1,2", ".tsv", "csv"),
        (b"{}", ".jsonl", "json"),
        (b"plain", ".log", "txt"),
        (b"plain", "", "txt"),
        (b"<!DOCTYPE html><p>x", ".txt", "html"),
        (b'{"cells": [], "nbformat": 4}', "", "ipynb"),
        (b"From: a@b.c\nTo: d@e.f\nSubject: Hello\n\nText", ".txt", "eml"),
        (b"BMW builds cars.", ".txt", "txt"),
        ("größer".encode("utf-16"), ".txt", "txt"),
        ("größer".encode("cp1252"), ".md", "md"),
    ],
)
def test_format_is_told_from_the_content(body: bytes, suffix: str, expected: str) -> None:
    assert detect(body, suffix=suffix) == expected


@pytest.mark.parametrize(
    ("body", "suffix", "reason"),
    [
        (b"", ".md", "empty"),
        (b" \n\t \n", ".txt", "empty"),
        (b"\x00" * 100, ".txt", "empty"),
        (b"\xef\xbb\xbf\n", ".md", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ".md", "not a format that can be read (image/png)"),
        (bytes(range(256)) * 4, ".md", "not a text file"),
        (archive("readme.txt"), ".docx", "not a format that can be read (application/zip)"),
        (b"PK\x03\x04 broken", ".docx", "a damaged zip archive"),
        (b"<?xml version='1.0'?><feed/>", ".xml", "not a format that can be read (application/xml)"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            ".docx",
            "encrypted",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"),
            ".docx",
            "not a format that can be read (.doc: save it as .docx)",
        ),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, suffix: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        detect(body, suffix=suffix)
    assert caught.value.reason == reason
