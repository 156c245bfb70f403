"""Reads e-mail messages.

Rule: the subject is the title; every part that a mail program shows is read, of alternatives the plain text;
attachments are named, not read.
"""

from __future__ import annotations

import email
import email.policy
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Final

from knowledge.documents import Reading
from knowledge.readers import html
from knowledge.readers.dates import in_utc
from knowledge.readers.encodings import decode
from knowledge.readers.outline import Outline
from knowledge.readers.txt import add_paragraph

_SHOWN: Final = ("From", "To", "Cc", "Date")
_MAX_PARTS: Final = 1000
_FORWARDED: Final = "message/rfc822"


def read(body: bytes) -> Reading:
    """A message: a block of its header, its text, and a line for each attachment."""
    if b"\0" in body[:4096] or body.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        body = decode(body).encode("utf-8", "replace")  # a mail is bytes with ASCII fields
    message = email.message_from_bytes(body.lstrip(), policy=email.policy.default)
    outline = Outline()
    outline.add(_header(message, _SHOWN))
    notes = _add_text(message, outline)
    names = _attachments(message)
    if names:
        outline.add("Attachments:\n" + "\n".join(f"- {name}" for name in names))
    return Reading(
        title=_field(message, "Subject") or None,
        sections=outline.sections(),
        updated_at=_date(message),
        notes=notes,
    )


def _header(message: EmailMessage, names: tuple[str, ...]) -> str:
    return "\n".join(f"{name}: {value}" for name in names if (value := _field(message, name)))


def _field(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # the header parsers of email raise anything on what is no header
        return ""


def _date(message: EmailMessage) -> datetime | None:
    try:
        return in_utc(parsedate_to_datetime(_field(message, "Date")))
    except (ValueError, TypeError, IndexError):
        return None


def _add_text(message: EmailMessage, outline: Outline) -> tuple[str, ...]:
    notes: list[str] = []
    for kind, part in _shown(message)[:_MAX_PARTS]:
        if kind == _FORWARDED:
            outline.add(_header(part, (*_SHOWN, "Subject")))
            continue
        text = _content(part)
        if kind == "text/html":
            notes.extend(html.walk(html.parse(text), outline))
            continue
        for paragraph in text.split("\n\n"):
            add_paragraph(paragraph, outline)
    return tuple(notes)


def _shown(part: EmailMessage) -> list[tuple[str, EmailMessage]]:
    """The parts with words that a mail program shows, in their order, each with its kind.

    A message inside the message comes as itself, for its header, and then with its own parts.
    """
    kind = part.get_content_type()
    inside = [inner for inner in part.iter_parts() if isinstance(inner, EmailMessage)]
    if kind == _FORWARDED:
        return [found for inner in inside for found in ((_FORWARDED, inner), *_shown(inner))]
    if part.get_content_disposition() == "attachment":
        return []
    if part.get_content_maintype() != "multipart":
        return [(kind, part)] if kind in ("text/plain", "text/html") and _content(part).strip() else []
    choices = [found for inner in inside if (found := _shown(inner))]
    if kind == "multipart/alternative":
        plain = (found for found in choices if all(kind == "text/plain" for kind, _ in found))
        choices = [next(plain, choices[0])] if choices else []
    elif kind == "multipart/related":
        choices = choices[:1]  # the others are what it refers to
    return [found for choice in choices for found in choice]


def _content(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode(payload, encoding=part.get_content_charset())


def _attachments(message: EmailMessage) -> list[str]:
    names = []
    for part in message.walk():
        name = part.get_filename()
        if name and (part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text"):
            names.append(" ".join(name.split()))
    return names
