"""The words of buttons, dialogs and short replies in Slack, in the language of the question.

Rule: each sentence says what happened and what the reader can do; words about answers themselves are those
of `bot.notices`.
"""

from __future__ import annotations

from datetime import date

from bot.languages import language_of
from bot.notices import Notices

_TEXTS = {
    "en": {
        "looking": "Looking for the answer…",
        "looking_status": "is looking for the answer…",
        "asked": "You asked: {question}",
        "empty": "I have no words for this.",
        "refused_hint": "Other words may help. If a document is missing, tell your administrator.",
        "show_passage": "Show passage",
        "stop": "Stop",
        "helpful": "Helpful",
        "not_helpful": "Not helpful",
        "share": "Share with the channel",
        "shared_by": "Shared by {person}",
        "shared": "Everyone here can see the answer now.",
        "not_shared": "I may not show this answer here: not everyone here may read its documents.",
        "not_in_channel": "I am not in this channel. Invite me, then share again.",
        "thanks": "Thank you, noted.",
        "not_allowed": "That is not possible here.",
        "admins_only": "Only an administrator may do that.",
        "passage": "Passage {number}",
        "loading": "One moment…",
        "passage_gone": "You may not read this passage now, or it is gone.",
        "why": "What was wrong?",
        "why_title": "What was wrong?",
        "send": "Send",
        "close": "Close",
        "ask": "Ask",
        "ask_title": "Ask about this",
        "question": "Your question",
        "who_sees": "Who sees it",
        "only_me": "Only I see the answer",
        "forgotten": "Your questions, their answers and your remarks are forgotten: {count}.",
        "settings_help": "Settings of this channel: {keys}. Change one with: {command} settings KEY VALUE",
        "help": "Ask with {command} and your question. Also: {command} forget-me; for administrators {command} reviewed, {command} settings, {command} sync, {command} status.",
        "gone_wrong": "That did not work just now. Please try again.",
        "undelivered": "I could not post my answer in <#{channel}>: {why}. Ask me here, or in a channel that I may write in. The reference is {reference}.",
        "not_in_channel_why": "I am not in it",
        "archived_why": "it is archived",
        "restricted_why": "I may not write there",
        "home_title": "Questions and answers from our documents",
        "home_how": "Write to me here under *Messages*, mention me in a channel, or use {command} with your question; then only you see the answer.",
        "home_sources": "What I know",
        "home_nothing": "There are no documents that you may read yet.",
        "home_here": "Everything is answered on your organisation's own machine; nothing leaves it.",
        "home_sent": "Answers are written by a model on another machine; it is sent the questions and the passages found for them.",
        "home_kept": "Questions and answers are kept for a while; {command} forget-me takes yours away.",
        "home_admin": "For administrators",
        "home_sync": "Sync now",
        "never_synced": "not synced yet",
        "documents": "{count} documents",
        "settings_now": "Settings of this channel: {settings}",
        "nothing_set": "as everywhere",
        "today": "updated today",
        "yesterday": "updated yesterday",
        "days": "updated {count} days ago",
        "months": "updated {count} months ago",
        "years": "updated {count} years ago",
        "on": "{age} ({day})",
    },
    "de": {
        "looking": "Ich suche die Antwort…",
        "looking_status": "sucht die Antwort…",
        "asked": "Sie fragten: {question}",
        "empty": "Dazu fehlen mir die Worte.",
        "refused_hint": "Vielleicht helfen andere Worte. Fehlt ein Dokument, sagen Sie es der Verwaltung.",
        "show_passage": "Stelle zeigen",
        "stop": "Anhalten",
        "helpful": "Hilfreich",
        "not_helpful": "Nicht hilfreich",
        "share": "Mit dem Kanal teilen",
        "shared_by": "Geteilt von {person}",
        "shared": "Jetzt sehen alle hier die Antwort.",
        "not_shared": "Ich darf diese Antwort hier nicht zeigen: Nicht alle hier dürfen ihre Dokumente lesen.",
        "not_in_channel": "Ich bin nicht in diesem Kanal. Laden Sie mich ein und teilen Sie dann noch einmal.",
        "thanks": "Danke, ist notiert.",
        "not_allowed": "Das geht hier nicht.",
        "admins_only": "Das darf nur die Verwaltung.",
        "passage": "Stelle {number}",
        "loading": "Einen Moment…",
        "passage_gone": "Diese Stelle dürfen Sie jetzt nicht lesen, oder es gibt sie nicht mehr.",
        "why": "Was war falsch?",
        "why_title": "Was war falsch?",
        "send": "Senden",
        "close": "Schließen",
        "ask": "Fragen",
        "ask_title": "Hierzu fragen",
        "question": "Ihre Frage",
        "who_sees": "Wer sie sieht",
        "only_me": "Nur ich sehe die Antwort",
        "forgotten": "Ihre Fragen, deren Antworten und Ihre Anmerkungen sind vergessen: {count}.",
        "settings_help": "Einstellungen dieses Kanals: {keys}. Ändern mit: {command} settings KEY WERT",
        "help": "Fragen Sie mit {command} und Ihrer Frage. Außerdem: {command} forget-me; für die Verwaltung {command} reviewed, {command} settings, {command} sync, {command} status.",
        "gone_wrong": "Das ging gerade nicht. Bitte versuchen Sie es noch einmal.",
        "undelivered": "Ich konnte meine Antwort nicht in <#{channel}> schreiben: {why}. Fragen Sie mich hier, oder in einem Kanal, in den ich schreiben darf. Das Zeichen ist {reference}.",
        "not_in_channel_why": "Ich bin nicht darin",
        "archived_why": "Er ist archiviert",
        "restricted_why": "Ich darf dort nicht schreiben",
        "home_title": "Fragen und Antworten aus unseren Dokumenten",
        "home_how": "Schreiben Sie mir hier unter *Nachrichten*, nennen Sie mich in einem Kanal, oder fragen Sie mit {command}; dann sehen nur Sie die Antwort.",
        "home_sources": "Was ich kenne",
        "home_nothing": "Noch gibt es keine Dokumente, die Sie lesen dürfen.",
        "home_here": "Alles wird auf dem eigenen Rechner Ihrer Organisation beantwortet; nichts verlässt ihn.",
        "home_sent": "Die Antworten schreibt ein Modell auf einem anderen Rechner; die Fragen und die gefundenen Stellen werden dorthin gesendet.",
        "home_kept": "Fragen und Antworten werden eine Weile behalten; {command} forget-me nimmt Ihre weg.",
        "home_admin": "Für die Verwaltung",
        "home_sync": "Jetzt abgleichen",
        "never_synced": "noch nicht abgeglichen",
        "documents": "{count} Dokumente",
        "settings_now": "Einstellungen dieses Kanals: {settings}",
        "nothing_set": "wie überall",
        "today": "Stand heute",
        "yesterday": "Stand gestern",
        "days": "Stand vor {count} Tagen",
        "months": "Stand vor {count} Monaten",
        "years": "Stand vor {count} Jahren",
        "on": "{age} ({day})",
    },
}


class SlackWords:
    """The words for somebody who wrote `text`; `notices` are those about answers."""

    def __init__(self, text: str = "") -> None:
        self.notices = Notices(text)
        code = language_of(text[:2000].encode("utf-8", "replace").decode())
        self._texts = _TEXTS.get(code, _TEXTS["en"])

    def say(self, name: str, **values: object) -> str:
        """The sentence called `name`, with `values` in their places."""
        return self._texts[name].format(**values)

    def age(self, updated: date, today: date) -> str:
        """How old a document is, with its day."""
        days = max(0, (today - updated).days)
        if days < 2:
            age = self.say("yesterday" if days else "today")
        elif days < 60:
            age = self.say("days", count=days)
        elif days < 730:
            age = self.say("months", count=days // 30)
        else:
            age = self.say("years", count=days // 365)
        return self.say("on", age=age, day=updated.isoformat())
