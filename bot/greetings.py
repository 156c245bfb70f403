"""Whether somebody who writes to the bot asks for anything: "Hi there", "Thanks a lot!" and "👍" do not.

Rule: only what holds nothing but greetings and thanks asks for nothing.
"""

from __future__ import annotations

from bot.words import content_words, words

_GREETINGS = frozenset(
    """hi hello hey hiya hallo moin servus good guten thanks thank thx cheers danke dank dankeschön merci bonjour
    bonsoir salut gracias hola grazie ciao buongiorno bedankt obrigado obrigada bye goodbye tschüss ok okay great
    perfect super""".split()
)
_BESIDE = frozenset(
    """you so very much a lot for the that your help answer there all everyone again morning evening afternoon day
    vielen schönen lieben besten sehr für die ihre deine antwort hilfe ihnen dir morgen tag abend beaucoup muchas muchos
    mille""".split()
)
"""Words that stand beside a greeting and ask for nothing there."""


def asks(text: str) -> bool:
    """Whether `text` asks for anything; without a word it does not."""
    found = set(words(text))
    return bool(found - _GREETINGS - _BESIDE) or (found != set() and not found & _GREETINGS)


def asks_about_the_bot(text: str) -> bool:
    """Whether `text` speaks to the bot and names nothing that documents could tell of: "Who are you?"."""
    return "you" in words(text) and not content_words(text, "en")
