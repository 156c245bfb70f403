"""What Discord's buttons, forms and commands say beside answers, in the reader's language.

Rule: sentences that are the same on every platform stand in `bot/notices.py`.
"""

from __future__ import annotations

from adapters.words import TableWords

_TEXTS = {
    "en": {
        "stop": "Stop",
        "more": "Show the rest",
        "share": "Share here",
        "shared": "{name} shared this answer:",
        "thanks": "Thank you.",
        "what_was_wrong": "What was wrong?",
        "reason": "What should it have said? (optional)",
        "not_there": "This is no longer there, or not yours to see.",
        "continued": "The answer goes on below.",
        "continued_directly": "The answer goes on in your direct messages.",
        "answered_directly": "I answer you in a direct message.",
        "closed": "I may not write to you directly. Allow it in this server's privacy settings, or ask with /ask.",
        "forgotten": "Forgotten: {count} of your questions with their answers, and what you wrote about answers.",
        "found_nothing": "Nothing found.",
        "no_sources": "There are no sources that you may use here.",
        "source": "{name}: {documents} documents, brought up to date {when}",
        "never": "never",
        "for_admins": "This is for administrators.",
        "not_here": "I do not answer here.",
        "ask_about": "Ask about this",
        "your_question": "Your question",
        "busy": "I cannot take this now. Please try again in a minute.",
    },
    "de": {
        "stop": "Anhalten",
        "more": "Den Rest zeigen",
        "share": "Hier teilen",
        "shared": "{name} teilt diese Antwort:",
        "thanks": "Vielen Dank.",
        "what_was_wrong": "Was war falsch?",
        "reason": "Was wäre richtig gewesen? (freiwillig)",
        "not_there": "Das ist nicht mehr da, oder nicht für Sie bestimmt.",
        "continued": "Die Antwort geht unten weiter.",
        "continued_directly": "Die Antwort geht in Ihren Direktnachrichten weiter.",
        "answered_directly": "Ich antworte Ihnen in einer Direktnachricht.",
        "closed": "Ich darf Ihnen nicht direkt schreiben. Erlauben Sie es in den Datenschutzeinstellungen dieses Servers, oder fragen Sie mit /ask.",
        "forgotten": "Vergessen: {count} Ihrer Fragen mit ihren Antworten, und was Sie über Antworten schrieben.",
        "found_nothing": "Nichts gefunden.",
        "no_sources": "Es gibt keine Quellen, die Sie hier benutzen dürfen.",
        "source": "{name}: {documents} Dokumente, zuletzt abgeglichen {when}",
        "never": "noch nie",
        "for_admins": "Das ist für die Verwaltung.",
        "not_here": "Hier antworte ich nicht.",
        "ask_about": "Dazu fragen",
        "your_question": "Ihre Frage",
        "busy": "Das kann ich gerade nicht annehmen. Bitte versuchen Sie es in einer Minute noch einmal.",
    },
}


class Words(TableWords):
    """For somebody who wrote `text`, or whose Discord is in the language `locale` ("de", "en-GB")."""

    def __init__(self, text: str, *, locale: str = "") -> None:
        super().__init__(_TEXTS, text, locale=locale)
