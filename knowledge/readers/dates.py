"""Reads the dates that files carry in their metadata.

Rule: a date is in UTC or there is none; one that cannot be read is None, never an error.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

_PDF: Final = re.compile(
    r"D?:?(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:([+\-Z])(\d{2})?'?(\d{2})?'?)?"
)
_FORMATS: Final = (
    "%d-%b-%Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%Y-%m",
    "%Y",
)


def from_words(text: str | None) -> datetime | None:
    """A date as ISO 8601 or in one of the common English forms."""
    text = (text or "").strip()
    if not text:
        return None
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return in_utc(datetime.strptime(text[:40], form))
        except ValueError:
            continue
    return None


def from_pdf(text: str | None) -> datetime | None:
    """A date as PDF writes it: "D:20240131120000+01'00'" (ISO 32000-1, 7.9.4)."""
    match = _PDF.match((text or "").strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, sign, off_hours, off_minutes = match.groups()
    try:
        offset = timedelta(hours=int(off_hours or 0), minutes=int(off_minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        return in_utc(
            datetime(
                int(year),
                int(month or 1),
                int(day or 1),
                int(hour or 0),
                int(minute or 0),
                min(int(second or 0), 59),
                tzinfo=zone,
            )
        )
    except ValueError:
        return None


def in_utc(moment: datetime | date | None) -> datetime | None:
    """The moment in UTC; one without a zone is taken as UTC."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
