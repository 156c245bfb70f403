"""Reads e-mail messages.

Rule: the subject is the title, the sender's plain text is preferred to the HTML, attachments are named, not read.
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


def read(body: bytes) -> Reading:
    """A message: a block of its header, its text, and a line for each attachment."""
    if b"\0" in body[:4096] or body.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        body = decode(body).encode("utf-8", "replace")  # a mail is bytes with ASCII fields
    message = email.message_from_bytes(body.lstrip(), policy=email.policy.default)
    outline = Outline()
    outline.add("\n".join(f"{name}: {value}" for name in _SHOWN if (value := _field(message, name))))
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
    part = _body(message)
    if part is None:
        return ()
    text = _content(part)
    if part.get_content_type() == "text/html":
        return html.walk(html.parse(text), outline) if text.strip() else ()
    for paragraph in text.split("\n\n"):
        add_paragraph(paragraph, outline)
    return ()


def _body(message: EmailMessage) -> EmailMessage | None:
    """The part that is the message's text: plain text with words in it, else HTML."""
    found: dict[str, EmailMessage] = {}
    for number, part in enumerate(message.walk()):
        if number > _MAX_PARTS:
            break
        kind = part.get_content_type()
        if kind not in ("text/plain", "text/html") or part.get_content_disposition() == "attachment":
            continue
        if kind not in found and _content(part).strip():
            found[kind] = part
    return found.get("text/plain") or found.get("text/html")


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
