"""What Discord says no with: a status, a code of its own, and for forms the field that is wrong.

Rule: the codes and sentences are the published ones; nothing else in the fake makes an error body.
"""

from __future__ import annotations

from typing import Any

_PUBLISHED: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (404, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30034: (400, "Max number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160004: (400, "A thread has already been created for this message"),
}


class Refusal(Exception):
    """An error answer; `errors` is the nested map of wrong fields of code 50035."""

    def __init__(
        self, status: int, code: int, message: str, errors: dict[str, Any] | None = None, **extra: object
    ) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.errors, self.extra = status, code, message, errors, extra

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        told: dict[str, Any] = {"message": self.message, "code": self.code, **self.extra}
        return told | {"errors": self.errors} if self.errors else told


def refusal(code: int, **extra: object) -> Refusal:
    """The published refusal with this code."""
    status, message = _PUBLISHED[code]
    return Refusal(status, code, message, **extra)


def plain(status: int) -> Refusal:
    """A refusal without a code of its own, as the outer servers give it."""
    words = {
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
        405: "Method Not Allowed", 500: "Internal Server Error", 502: "Bad Gateway",
        503: "Service Unavailable", 504: "Gateway Timeout",
    }  # fmt: skip
    return Refusal(status, 0, f"{status}: {words.get(status, 'Error')}")


class Form:
    """Collects what is wrong with a body; `close` refuses it when anything is."""

    def __init__(self) -> None:
        self._errors: dict[str, Any] = {}

    def wrong(self, path: str, code: str, message: str) -> None:
        """Notes an error at `path`, a dotted way such as "embeds.0.title"."""
        place = self._errors
        for part in path.split("."):
            place = place.setdefault(part, {})
        place.setdefault("_errors", []).append({"code": code, "message": message})

    def most(self, path: str, value: object, most: int, least: int = 0) -> None:
        """Notes a text or list that is longer than `most`, or shorter than `least`."""
        size = len(value) if isinstance(value, (str, list)) else 0
        if not least <= size <= most:
            code = "BASE_TYPE_MAX_LENGTH" if size > most else "BASE_TYPE_MIN_LENGTH"
            if least:
                code, said = "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length."
            else:
                said = f"Must be {most} or fewer in length."
            self.wrong(path, code, said)

    def close(self) -> None:
        """Refuses with 50035 when something was noted."""
        if self._errors:
            raise Refusal(400, 50035, "Invalid Form Body", self._errors)
