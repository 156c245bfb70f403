"""The words of a text that carry meaning, in a form that inflection does not change.

Rule: works on any string; languages without spaces fall back to pairs of characters.
"""

from __future__ import annotations

import functools
import re
import threading
import unicodedata

import snowballstemmer

_WORD = re.compile(r"\d+(?:['’]\d{3})*(?:[.,:]\d+)+|[^\W_]+(?:['’][^\W_]+)*")
_AMOUNT = re.compile(r"([1-9]\d{0,2}(['’.,\s])\d{3}(?:\2\d{3})*)(?:(?!\2)[.,](\d+))?")
"""Thousands in groups, with or without decimals behind another sign."""

_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f\u1000-\u109f]")

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset(
        """a about after all also am an and any are as at be because been before being but by can could did do
        does doing don't for from get had has have having he her here him his how i if in into is it its it's
        just let may me might more most much must my no not of off on once one only or other our out over please
        shall she should so some such tell than that the their them then there these they this those to too
        under until up us very was we were what what's when where which while who whom whose why will with
        would you your""".split()
    ),
    "de": frozenset(
        """aber als am an auch auf aus bei bin bis bitte da darf das dass dem den denn der des die doch du durch
        ein eine einem einen einer eines er es für gibt hat habe haben hier ich ihr ihre im in ist ja kann kein
        keine können man mein meine mich mir mit muss müssen nach nicht noch nur oder ohne sein seine sich sie
        sind so über um und uns unser unter vom von vor wann warum was welche welcher welches wem wen wenn wer
        werden wie wieviel wird wir wo zu zum zur""".split()
    ),
    "fr": frozenset(
        """à au aux avec ce ces cette combien comment d dans de des du elle en est et eu il ils j je l la le les
        leur lui ma mais me mes moi mon n ne nos notre nous on ou où par pas peut peux pour pourquoi puis qu
        quand que quel quelle quelles quels qui quoi sa sans se ses si son sont sur ta te tes toi ton tu un une
        vos votre vous y a ai as avons avez ont faut""".split()
    ),
    "es": frozenset(
        """a al ante como cómo con cual cuál cuáles cuando cuándo cuanto cuánto cuántos cuántas de del desde
        donde dónde el ella ellos en entre es está están este esta estos fue ha hay la las le les lo los más me
        mi mis muy no nos o para pero por porque puede puedo que qué quien quién se ser si sin sobre son su sus
        también te tengo tiene tu un una uno unos y ya yo""".split()
    ),
    "it": frozenset(
        """a ad ai al alla alle anche che chi ci come con cosa cui da dal dalla dei del della delle di dove e è
        gli ha hanno ho i il in io la le lei lo loro ma mi nel nella non o per perché più può posso qual quale
        quali quando quanti quanto si sono su sul tra un una uno""".split()
    ),
    "nl": frozenset(
        """aan al als bij dan dat de deze die dit door een en er haar heb heeft hem het hij hoe hoeveel ik in is
        je kan kunnen maar me met mij mijn moet naar niet nog of om onder ons ook op over te tot u uit van
        voor waar waarom wanneer wat we welke wie wij worden wordt zal zijn zo""".split()
    ),
    "pt": frozenset(
        """a ao aos as até com como da das de do dos e é ela ele em entre esta está este eu foi há isso já mais
        mas me meu minha muito na não nas no nos o os ou para pela pelo pode posso por porque qual quais quando
        quanto quantos que quem se sem ser seu sua são também tem um uma você onde""".split()
    ),
}
"""The words of a language that say nothing about the topic; also what a language is known by."""

_STEMMER_NAMES = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "nl": "dutch",
    "pt": "portuguese",
}


def words(text: str) -> list[str]:
    """The words of `text` in lower case and order; single characters for scripts without spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for word in _WORD.findall(folded):
        if _NO_SPACES.search(word):
            found.extend(word)
        elif word[0].isdigit():
            found.append(plain_number(word))
        else:
            found.append(word.replace("’", "'").removesuffix("'s"))
    return found


def plain_number(number: str) -> str:
    """ "1,000", "1.000", "1'000" and "1000" are one number, and so are "2,5" and "2.5". A zero at the end
    stays unless thousands show that it is a decimal: 1.10 may be a date or a version, and is not 1.1."""
    amount = _AMOUNT.fullmatch(number)
    if amount is None:
        return re.sub(r"['’\s](?=\d{3}(?:\D|$))", "", number).replace(",", ".")
    decimals = (amount[3] or "").rstrip("0")
    return re.sub(r"\D", "", amount[1]) + (f".{decimals}" if decimals else "")


def content_words(text: str, language: str) -> list[str]:
    """The stems of the words of `text` that are not function words of `language`, in order."""
    skipped = FUNCTION_WORDS.get(language, frozenset())
    return [stem(word, language) for word in words(text) if word not in skipped]


@functools.lru_cache(maxsize=65536)
def stem(word: str, language: str) -> str:
    """The Snowball stem of `word` (as it is for a language without a stemmer, or a word with digits)."""
    name = _STEMMER_NAMES.get(language)
    if name is None or any(sign.isdigit() for sign in word):
        return word
    return str(_stemmers.of(name).stemWord(word))


class _Stemmers(threading.local):
    """The stemmers of one thread: each keeps the word that it is at in itself."""

    def __init__(self) -> None:
        self._known: dict[str, snowballstemmer.stemmer] = {}

    def of(self, name: str) -> snowballstemmer.stemmer:
        if name not in self._known:
            self._known[name] = snowballstemmer.stemmer(name)
        return self._known[name]


_stemmers = _Stemmers()
