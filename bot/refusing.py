"""What stands in place of an answer where there is none.

Rule: it is the program's own, in the language of the question; of the documents it tells titles alone.
"""

from __future__ import annotations

from dataclasses import replace

from bot.answer import Answer
from bot.citations import unmarked
from bot.languages import BUSY, CLOSEST, REFUSALS
from bot.notices import Notices
from models.errors import ModelBusy

OUT_OF_TIME = "The language model did not answer in time; these are the documents' own words."


def refusal(blank: Answer) -> Answer:
    """That the documents do not tell, and which come closest."""
    language = blank.language if blank.language in REFUSALS else "en"
    titles = (unmarked(" ".join(passage.title.split())) for passage in blank.passages)
    names = list(dict.fromkeys(titles))[:3]
    text = REFUSALS[language]
    if names:
        text += f" {CLOSEST[language]} " + "; ".join(names) + "."
    return replace(blank, text=text, status="refused", voice="none", citations=())


def too_many(blank: Answer, busy: ModelBusy) -> Answer:
    """That too many wait already."""
    seconds = max(1, round(busy.seconds))
    wait = f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
    text = BUSY.get(blank.language, BUSY["en"]).format(place=busy.place, wait=wait)
    return replace(blank, text=text, status="failed", voice="none")


def greeted(question: str, language: str) -> Answer:
    """What the bot is for, where nothing was asked."""
    greeting = Notices(question, language=language).greeting()
    return Answer(question, greeting, "refused", language, "none")
