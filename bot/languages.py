"""Which language a question is in, and the program's own few sentences in it.

Rule: only what is decided by the words themselves; a question that is too short to tell is English.
"""

from __future__ import annotations

import re

from bot.words import FUNCTION_WORDS, words

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)

NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ja": "Japanese",
    "zh": "Chinese",
    "ko": "Korean",
    "ru": "Russian",
    "el": "Greek",
    "ar": "Arabic",
    "he": "Hebrew",
    "th": "Thai",
}

REFUSALS = {
    "en": "I could not find an answer to this in the documents.",
    "de": "Darauf habe ich in den Dokumenten keine Antwort gefunden.",
    "fr": "Je n'ai pas trouvé de réponse à cette question dans les documents.",
    "es": "No he encontrado una respuesta a esto en los documentos.",
    "it": "Non ho trovato una risposta a questa domanda nei documenti.",
    "nl": "Ik heb hierop geen antwoord gevonden in de documenten.",
    "pt": "Não encontrei uma resposta a isto nos documentos.",
}
"""The one sentence of a refusal; languages without their own get the English one."""

CLOSEST = {
    "en": "The closest documents are:",
    "de": "Am nächsten kommen diese Dokumente:",
    "fr": "Les documents les plus proches :",
    "es": "Los documentos más cercanos son:",
    "it": "I documenti più vicini sono:",
    "nl": "De documenten die het dichtst in de buurt komen:",
    "pt": "Os documentos mais próximos são:",
}

BUSY = {
    "en": "Too many questions are waiting right now: yours would be number {place}, in about {wait}. Please ask again later.",
    "de": "Gerade warten zu viele Fragen: Ihre wäre Nummer {place}, in etwa {wait}. Bitte fragen Sie später noch einmal.",
    "fr": "Trop de questions attendent en ce moment : la vôtre serait la numéro {place}, dans environ {wait}. Merci de la reposer plus tard.",
    "es": "Hay demasiadas preguntas en espera: la suya sería la número {place}, en unos {wait}. Vuelva a preguntar más tarde.",
    "it": "Ci sono troppe domande in attesa: la sua sarebbe la numero {place}, tra circa {wait}. La preghiamo di riprovare più tardi.",
    "nl": "Er wachten nu te veel vragen: die van u zou nummer {place} zijn, over ongeveer {wait}. Stel uw vraag later opnieuw.",
    "pt": "Há demasiadas perguntas em espera: a sua seria a número {place}, dentro de cerca de {wait}. Pergunte de novo mais tarde.",
}
"""What is said when too many wait; `wait` is a time with a unit that all these languages write alike."""


_ENGLISH_TOO = frozenset("ad ai com come des door hat las man men met os par per pour son van".split())
"""Function words of other languages that are words of English too, or stand in English questions."""


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language `text` is most likely in."""
    return told_language(text) or "en"


def told_language(text: str) -> str | None:
    """The same where a word of `text` tells it, else None."""
    letters = sum(sign.isalpha() for sign in text)
    for code, script in _SCRIPTS:
        if letters and len(script.findall(text)) * 3 >= letters:
            return code
    found = words(text)
    votes = {code: sum(word in known for word in found) for code, known in FUNCTION_WORDS.items()}
    votes["en"] += sum(word in _ENGLISH_TOO for word in found)
    best = max(votes, key=lambda code: (votes[code], code == "en"))
    return best if votes[best] else None
