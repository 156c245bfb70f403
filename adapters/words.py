"""What an adapter says beside answers, out of a table of its own, in the reader's language.

Rule: sentences that are the same on every platform stand in `bot/notices.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.languages import language_of
from bot.notices import Notices

Table = Mapping[str, Mapping[str, str]]
"""Sentences by language ("en", "de") and name."""


class TableWords(Notices):
    """For somebody who wrote `text`, or whose platform is in the language `locale` ("de", "en-GB")."""

    def __init__(self, table: Table, text: str, *, locale: str = "") -> None:
        language = locale.partition("-")[0] or language_of(text[:2000].encode("utf-8", "replace").decode())
        super().__init__(text, language=language)
        self._own = table.get(language, table["en"])

    def say(self, sentence: str, /, **values: object) -> str:
        """A label or sentence by its name in the table."""
        return self._own[sentence].format(**values)
