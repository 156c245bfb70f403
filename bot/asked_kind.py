"""What kind of thing a question asks for, and whether a sentence holds one.

Rule: only kinds that show in the form of words: amounts of money, spans and moments of time, shares,
contacts, other numbers. A question that asks for none of them is answered by any sentence.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

Kind = Literal["money", "span", "moment", "share", "contact", "number"]

_UNITS_OF_TIME = (
    r"(?:second|minute|hour|day|week|month|quarter|year|shift|sekunde|minute|stunde|tag|woche|monat|jahr"
    r"|seconde|heure|jour|semaine|mois|an|année|segundo|minuto|hora|d[ií]a|semana|mes|año|giorn[oi]|settiman[ae]|or[ae]"
    r"|ann[oi]|mes[ei]|dag|dagen|weken|maanden|jaar|uur)(?:s|n|e|en|es)?"
)
_NUMERALS = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty"
    r"|ninety|hundred|thousand|half|couple|second|third|fourth|fifth|sixth|once|twice|both|ein|eine|einen|zwei|drei"
    r"|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|zwanzig|dreißig|hundert|un|une|deux|trois|quatre|cinq|sept|huit"
    r"|neuf|dix|douze|vingt|trente|cent|uno|una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|due|tre|quattro)"
)
_NAMED_TIMES = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday"
    r"|wednesday|thursday|friday|saturday|sunday|januar|februar|märz|mai|juni|juli|oktober|dezember|montag|dienstag"
    r"|mittwoch|donnerstag|freitag|samstag|sonntag|janvier|février|mars|avril|juin|juillet|août|septembre|octobre"
    r"|novembre|décembre|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|enero|febrero|marzo|abril|mayo|junio"
    r"|julio|agosto|septiembre|octubre|noviembre|diciembre|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
    r"|daily|weekly|monthly|quarterly|yearly|annually|nightly|noon|midnight|today|tomorrow|täglich|wöchentlich|monatlich)"
)

_IN_TEXT: dict[Kind, tuple[str, ...]] = {
    "money": (
        r"[€$£¥]\s?\d",
        r"\d[\d.,' ]*\s?(?:€|\$|£|¥|k\b|eur\b|usd\b|gbp\b|chf\b|cents?\b|ct\b|euros?\b|dollars?\b|pounds?\b|francs?\b)",
        r"\b(?:eur|usd|gbp|chf)\b",
        r"\b(?:free|gratis|kostenlos|gratuit)\b",
    ),
    "span": (
        rf"(?:\d|\b{_NUMERALS}\b)[\w.,+–-]*(?:[\s-]+\w+)?[\s-]+{_UNITS_OF_TIME}\b",
        rf"\b{_NAMED_TIMES}\b",
        r"\b(?:immediately|at once|sofort|permanent\w*|indefinite\w*)\b",
    ),
    "moment": (
        r"\d{1,2}[:.h]\d{2}",
        r"\b\d{4}\b",
        r"\d{1,2}\s?(?:am|pm|uhr)\b",
        r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}",
        rf"\b{_NAMED_TIMES}\b",
        rf"(?:\d|\b{_NUMERALS}\b)[\w.,+–-]*(?:[\s-]+\w+)?[\s-]+{_UNITS_OF_TIME}\b",
        r"\b(?:first|last|start|end|beginning)\b",
    ),
    "share": (
        r"\d\s?%",
        r"\bper ?cent\b",
        r"\bprozent\b",
        r"\b(?:half|third|quarter|all|none|full|fully)\b",
    ),
    "contact": (
        r"@",
        r"\+?\d[\d /().-]{5,}\d",
        r"\b(?:ext\.?|extension|durchwahl)\s*\d",
        r"https?://",
        r"#\w",
    ),
    "number": (
        r"\d",
        rf"\b{_NUMERALS}\b",
        r"\b(?:none|no|all|every|unlimited|kein\w*|aucun\w*)\b",
    ),
}

_MONEY_WORDS = r"(?:cost|costs|price|prices|fee|fees|charge|paid|pay|salary|wage|bonus|budget|allowance|spend|reimburse\w*|worth|deposit|fine|expensive|kostet|kosten|preis|gehalt|coûte|prix|cuesta|precio|costa|prezzo|eur|euros?|dollars?)"
_UNASKED = r"(?:^|[.!?])(?:(?!\b(?:what|who|whom|whose|how|which|where|why)\b)[^.!?])*"
"""A sentence as long as it asks for nothing else: "What do I do when the pump stops?" asks for no time."""

_IN_QUESTION: dict[Kind, tuple[str, ...]] = {
    "contact": (
        r"\b(?:phone|telephone|hotline)?\s?number\b.*\b(?:call|phone|hotline|dial)",
        r"\b(?:phone|telephone|hotline|email|e-mail)\s(?:number|address)\b",
        r"\bwhat(?:'s| is) the (?:\w+ ){0,3}(?:phone|hotline|telephone|email|e-mail)\b",
    ),
    "share": (
        r"\b(?:what|which) (?:percentage|share|percent|proportion|rate)\b",
        r"\bpercent(?:age)?\b",
        r"\bprozent\b",
        r"\bpourcentage\b",
    ),
    "money": (
        rf"\bhow (?:much|expensive)\b(?!.*\b(?:time|notice|leave|holiday|vacation)\b).*\b{_MONEY_WORDS}\b",
        rf"\b{_MONEY_WORDS}\b.*\bhow much\b",
        r"\bwhat (?:does|do|did|will|would)\b.*\b(?:cost|pay|earn)\b",
        r"\b(?:what|which)(?:'s| is| are)? (?:the )?(?:\w+ ){0,3}(?:price|cost|fee|salary|budget|bonus|allowance)\b",
        r"\bwas kostet\b",
        r"\bcombien coûte\b",
        r"\bcu[aá]nto cuesta\b",
    ),
    "span": (
        r"\bhow (?:long|soon|quickly|fast|late|early|far in advance)\b",
        r"\bhow many (?:seconds|minutes|hours|days|weeks|months|years)\b",
        r"\bhow much (?:\w+ ){0,2}(?:time|notice|leave|holiday|vacation)\b",
        r"\bwie (?:lange|schnell)\b",
        r"\bcombien de (?:temps|jours|semaines|mois)\b",
        r"\bcu[aá]ntos (?:d[ií]as|meses|años)\b",
    ),
    "moment": (
        rf"{_UNASKED}\bwhen(?: |'s )(?:is|are|was|were|do|does|did|will|can|must|should|has|have|the|exactly)\b",
        r"^\s*(?:by |until |since |from )?when\b",
        r"\bwhat (?:time|date|day|year|month)\b",
        r"\bwhich (?:day|date|year|month|week)\b",
        r"\b(?:bis|ab|seit)?\s?wann\b",
        r"\bquand\b",
        r"\bcu[aá]ndo\b",
        r"\bquando\b",
        r"\bwanneer\b",
    ),
    "number": (
        r"\bhow (?:many|much|often|big|large|high|far|old|heavy|fast|wide|deep|tall)\b",
        r"\bwhat(?:'s| is) the (?:\w+ ){0,2}(?:limit|maximum|minimum|number|speed|temperature|size|threshold|amount)\b",
        r"\bwie (?:viele?|oft|hoch|groß|weit|alt)\b",
        r"\bcombien\b",
        r"\bcu[aá]nt[oa]s?\b",
        r"\bquant[oaie]\b",
        r"\bhoe(?:veel| vaak)\b",
    ),
}


def asked_kind(question: str) -> Kind | None:
    """The kind of thing that an answer to `question` must hold; None when its words do not tell."""
    return next((kind for kind in _IN_QUESTION if _pattern(_IN_QUESTION[kind]).search(question)), None)


def holds_kind(text: str, kind: Kind | None) -> bool:
    """Whether `text` holds something of `kind`; of no kind in particular, every text does."""
    return kind is None or _pattern(_IN_TEXT[kind]).search(text) is not None


@functools.cache
def _pattern(alternatives: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)
