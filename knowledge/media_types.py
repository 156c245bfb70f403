"""Tells which format a file has.

Rule: the bytes decide; the suffix only chooses between kinds of text that look alike.
"""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import Final, Literal

from knowledge.errors import Unreadable
from knowledge.readers.encodings import decode, looks_like_text

Format = Literal[
    "csv",
    "docx",
    "eml",
    "epub",
    "html",
    "ipynb",
    "json",
    "md",
    "mdx",
    "odt",
    "pdf",
    "pptx",
    "rst",
    "rtf",
    "txt",
    "xlsx",
]

_TEXT_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".eml": "eml",
    ".htm": "html",
    ".html": "html",
    ".xhtml": "html",
    ".ipynb": "ipynb",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".md": "md",
    ".markdown": "md",
    ".mdown": "md",
    ".mkd": "md",
    ".mdx": "mdx",
    ".rst": "rst",
    ".rest": "rst",
}

# What is known by its first bytes and cannot be read: named, so that the report tells what it is.
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"RIFF", "audio, video or image/webp"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"wOFF", "font/woff"),
    (b"%!PS", "application/postscript"),
)
# These signatures are ordinary letters too: they count only where the rest is no text.
_AMBIGUOUS: Final = frozenset(
    {b"BM", b"MZ", b"ID3", b"BZh", b"GIF8", b"Rar!", b"RIFF", b"OggS", b"8BPS", b"wOFF"}
)

_OPEN_DOCUMENT: Final[dict[str, Format]] = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.presentation": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "odt",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
}
_OFFICE_MAIN_PART: Final[tuple[tuple[str, Format], ...]] = (
    ("word/", "docx"),
    ("ppt/", "pptx"),
    ("xl/", "xlsx"),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML_START: Final = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MAIL_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,40}):[ \t]?\S?")
_MAIL_PROOF: Final = frozenset({"from", "date", "subject", "message-id", "mime-version", "received", "to"})


def detect(body: bytes, *, suffix: str) -> Format:
    """The format of `body`; `suffix` (".md", lower case, may be empty) is a hint between kinds of text.

    Raises `Unreadable` for an empty file and for what no reader takes, saying what it is.
    """
    if not body.strip(b"\x00 \t\r\n\f\v\xef\xbb\xbf\xfe\xff"):
        raise Unreadable("empty")
    if body.lstrip(b"\xef\xbb\xbf \t\r\n\x00")[:5] == b"%PDF-" or (
        suffix == ".pdf" and b"%PDF-" in body[:1024]
    ):
        return "pdf"
    if body.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _in_zip(body)
    if body.startswith(_OLE):
        raise Unreadable(_ole_reason(body))
    if body.lstrip()[:5] == b"{\\rtf":
        return "rtf"
    _refuse_signature(body)
    if not looks_like_text(body):
        raise Unreadable("not a text file")
    return _of_text(body, suffix=suffix)


def _in_zip(body: bytes) -> Format:
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            names = archive.namelist()
            if "mimetype" in names:
                info = archive.getinfo("mimetype")
                kind = archive.read(info).decode("ascii", "replace").strip() if info.file_size < 200 else ""
                if kind in _OPEN_DOCUMENT:
                    return _OPEN_DOCUMENT[kind]
    except Exception as error:  # zipfile raises a dozen kinds for a damaged archive
        raise Unreadable("a damaged zip archive") from error
    if "META-INF/container.xml" in names:
        return "epub"
    if "xl/workbook.bin" in names:
        raise Unreadable("not a format that can be read (.xlsb: save it as .xlsx)")
    if "[Content_Types].xml" in names or any(name.startswith("word/document") for name in names):
        for folder, kind_of_office in _OFFICE_MAIN_PART:
            if any(name.startswith(folder) for name in names):
                return kind_of_office
    raise Unreadable("not a format that can be read (application/zip)")


def _ole_reason(body: bytes) -> str:
    head = body[: 1 << 20]
    if "EncryptedPackage".encode("utf-16-le") in head:
        return "encrypted"
    for stream, kind in (("WordDocument", ".doc"), ("PowerPoint Document", ".ppt"), ("Workbook", ".xls")):
        if stream.encode("utf-16-le") in body:
            return f"not a format that can be read ({kind}: save it as {kind}x)"
    if "__properties_version1.0".encode("utf-16-le") in body:
        return "not a format that can be read (.msg: save it as .eml)"
    return "not a format that can be read (an old Microsoft Office file)"


def _refuse_signature(body: bytes) -> None:
    if body[4:8] == b"ftyp":
        raise Unreadable("not a format that can be read (video/mp4 or a picture of its family)")
    for magic, kind in _SIGNATURES:
        if not body.startswith(magic):
            continue
        if magic in _AMBIGUOUS and looks_like_text(body):
            continue
        raise Unreadable(f"not a format that can be read ({kind})")


def _of_text(body: bytes, *, suffix: str) -> Format:
    head = decode(body[:8192], partial=True)
    named = _TEXT_SUFFIXES.get(suffix)
    if named in ("md", "mdx", "rst", "eml", "html", "ipynb"):
        return named
    if _HTML_START.match(head):
        return "html"
    if head.lstrip().startswith("<?xml"):
        raise Unreadable("not a format that can be read (application/xml)")
    if named is not None:
        return named
    if '"nbformat"' in head and head.lstrip().startswith("{"):
        return "ipynb"
    return "eml" if _is_mail(head) else "txt"


def _is_mail(head: str) -> bool:
    """Whether the text starts with a block of header fields of which three are those of a mail."""
    seen: set[str] = set()
    for line in head.lstrip("\n\r").splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            continue
        field = _MAIL_FIELD.match(line)
        if field is None:
            return False
        seen.add(field[1].lower())
    return len(seen & _MAIL_PROOF) >= 3 and "from" in seen
