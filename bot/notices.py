"""The calm sentences that stand in place of an answer, in the language of the question.

Rule: each says what happened and what the reader can do, and nothing about how the program works inside.
"""

from __future__ import annotations

from datetime import datetime

from bot.access import READER
from bot.languages import language_of

_TEXTS = {
    "en": {
        "greeting": "Ask me a question, and I look for the answer in your team's documents.",
        "files": "I do not read attached files.",
        "only_files": "I do not read attached files; please write your question to me as text.",
        "too_old": "I was not running when you asked this. Please ask again if you still need the answer.",
        "too_long": "Your question has {has} characters; I read at most {most}. Please shorten it.",
        "thousands": ",",
        "failed": "Something went wrong while I worked on this. Please ask again; the reference for your administrator is {reference}.",
        "not_admitted": "I answer members of this team only.",
        "nothing_readable": "There are no documents that I may use for an answer here. An administrator can open a collection for this place or for you.",
        "access_changed": "What may be read here has changed while I was answering, so I do not show the answer. Please ask again.",
        "documents_changed": "A document that my answer was made from has just been removed. Please ask again.",
        "searching": "Searching {count} collections",
        "searching_one": "Searching the documents",
        "stopped": "(stopped)",
        "interrupted": "I am restarting; the answer comes here afterwards.",
        "waiting": "You are number {place} in the queue; about {seconds} s.",
        "sources": "Sources",
        "reviewed": "Reviewed answer",
        "reviewed_by": "Reviewed by {person} on {day}.",
        "reviewed_on": "Reviewed on {day}.",
        "proposed": 'Kept as a proposal. An administrator can approve it in the chat with the command "reviewed", or with: groundling curated approve {id}',
    },
    "de": {
        "greeting": "Stellen Sie mir eine Frage, und ich suche die Antwort in den Dokumenten Ihres Teams.",
        "files": "Angehängte Dateien lese ich nicht.",
        "only_files": "Angehängte Dateien lese ich nicht; bitte schreiben Sie mir Ihre Frage als Text.",
        "too_old": "Als Sie das fragten, lief ich nicht. Bitte fragen Sie noch einmal, wenn Sie die Antwort noch brauchen.",
        "too_long": "Ihre Frage hat {has} Zeichen; ich lese höchstens {most}. Bitte kürzen Sie sie.",
        "thousands": ".",
        "failed": "Dabei ist etwas schiefgegangen. Bitte fragen Sie noch einmal; das Zeichen für Ihre Verwaltung ist {reference}.",
        "not_admitted": "Ich antworte nur Mitgliedern dieses Teams.",
        "nothing_readable": "Es gibt keine Dokumente, die ich hier für eine Antwort benutzen darf. Die Verwaltung kann eine Sammlung für diesen Ort oder für Sie öffnen.",
        "access_changed": "Was hier gelesen werden darf, hat sich während der Antwort geändert; deshalb zeige ich sie nicht. Bitte fragen Sie noch einmal.",
        "documents_changed": "Ein Dokument, aus dem meine Antwort stammt, wurde gerade entfernt. Bitte fragen Sie noch einmal.",
        "searching": "Suche in {count} Sammlungen",
        "searching_one": "Suche in den Dokumenten",
        "stopped": "(angehalten)",
        "interrupted": "Ich werde neu gestartet; die Antwort kommt danach hierher.",
        "waiting": "Sie sind Nummer {place} in der Reihe; etwa {seconds} s.",
        "sources": "Quellen",
        "reviewed": "Geprüfte Antwort",
        "reviewed_by": "Geprüft von {person} am {day}.",
        "reviewed_on": "Geprüft am {day}.",
        "proposed": "Als Vorschlag behalten. Die Verwaltung kann ihn im Chat mit dem Befehl „reviewed“ freigeben, oder mit: groundling curated approve {id}",
    },
}


class Notices:
    """The sentences for somebody who wrote `text`."""

    def __init__(self, text: str, *, language: str | None = None) -> None:
        code = language or language_of(text[:2000].encode("utf-8", "replace").decode())
        self._texts = _TEXTS.get(code, _TEXTS["en"])

    def greeting(self) -> str:
        """For a mention without a question."""
        return self._texts["greeting"]

    def files(self) -> str:
        """Stands below the answer to a question that came with files."""
        return self._texts["files"]

    def only_files(self) -> str:
        """For files without a question."""
        return self._texts["only_files"]

    def too_old(self) -> str:
        """For a question from long before the start."""
        return self._texts["too_old"]

    def too_long(self, has: int, most: int) -> str:
        """For a question of `has` characters."""
        sign = self._texts["thousands"]
        return self._texts["too_long"].format(
            has=f"{has:,}".replace(",", sign), most=f"{most:,}".replace(",", sign)
        )

    def failed(self, reference: str) -> str:
        """For whatever was not expected."""
        return self._texts["failed"].format(reference=reference)

    def not_admitted(self) -> str:
        """For guests and strangers."""
        return self._texts["not_admitted"]

    def nothing_readable(self) -> str:
        """For a place without a readable collection."""
        return self._texts["nothing_readable"]

    def access_changed(self) -> str:
        """For an answer that may not be shown any more."""
        return self._texts["access_changed"]

    def documents_changed(self) -> str:
        """For an answer out of a document that is gone."""
        return self._texts["documents_changed"]

    def searching(self, collections: int) -> str:
        """What is done first."""
        one = collections == 1
        return self._texts["searching_one" if one else "searching"].format(count=collections)

    def stopped(self) -> str:
        """Stands behind what was written until somebody stopped it."""
        return self._texts["stopped"]

    def interrupted(self) -> str:
        """For a question that the next process will answer."""
        return self._texts["interrupted"]

    def waiting(self, place: int, seconds: float) -> str:
        """The place in the queue."""
        return self._texts["waiting"].format(place=place, seconds=max(1, round(seconds)))

    def sources(self) -> str:
        """The heading of the list of sources."""
        return self._texts["sources"]

    def reviewed(self) -> str:
        """The mark of a curated answer."""
        return self._texts["reviewed"]

    def reviewed_by(self, person: str, at: datetime) -> str:
        """Who stands behind a curated answer since when; a platform's own name for somebody tells readers nothing."""
        known = bool(person) and READER.fullmatch(person) is None
        text = self._texts["reviewed_by" if known else "reviewed_on"]
        return text.format(person=person, day=at.date().isoformat())

    def proposed(self, id: str) -> str:
        """For somebody who proposed the curated answer `id`."""
        return self._texts["proposed"].format(id=id)
