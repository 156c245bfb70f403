"""Turns a conversation into prompt text with the model's own chat template.

Rule: the template is code out of a downloaded file, so it runs in a sandbox under a time limit; and
what people wrote can never become a control token, however much it looks like one.
"""

from __future__ import annotations

import json
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from models.engine.generator import Turn

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
RENDER_SECONDS = 2.0


class TemplateError(ValueError):
    """The chat template cannot be used for this conversation."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of prompt text. Control tokens are recognised in it only where `control` is set; `block` is set
    on the blocks of a turn, which are spans of their own."""

    text: str
    control: bool
    block: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """The whole prompt; `head` is the part of it up to the end of the system message, which is the same
    for every question; empty where there is none."""

    spans: tuple[Span, ...]
    head: tuple[Span, ...]


class _Generation(jinja2.ext.Extension):
    """Hugging Face's `{% generation %}` tag, which marks training text and changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled chat template; `control_texts` are the texts of the model's control tokens."""

    def __init__(self, source: str, *, bos: str, eos: str, control_texts: Sequence[str]) -> None:
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,  # a prompt is not HTML
            extensions=[jinja2.ext.loopcontrols, _Generation],
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateError(f"the model's chat template is broken: {error}") from error
        self._bos = bos
        self._eos = eos
        self._control_texts = tuple(text for text in control_texts if len(text) > 1)

    def render(self, turns: Sequence[Turn]) -> Prompt:
        """The prompt that ends where the assistant's answer begins.

        Raises TemplateError when the template refuses these turns, loses one of them, or runs too long.
        """
        try:
            return self._render(turns)
        except TemplateError:
            merged = _without_system(turns)
            if merged is None:
                raise
            return self._render(merged)

    def _render(self, turns: Sequence[Turn]) -> Prompt:
        # Each text is rendered as a mark that nobody can guess, and put in its place afterwards.
        marks = [f"text{secrets.token_hex(12)}" for _ in turns]
        messages = [{"role": turn.role, "content": mark} for turn, mark in zip(turns, marks, strict=True)]
        try:
            with _time_limit(RENDER_SECONDS):
                rendered = self._template.render(
                    messages=messages, add_generation_prompt=True, bos_token=self._bos, eos_token=self._eos
                )
        except TimeoutError as error:
            raise TemplateError("the model's chat template runs too long") from error
        except Exception as error:  # a template may raise anything
            raise TemplateError(f"the model's chat template fails: {_line(error)}") from error
        return self._filled(rendered, marks, turns)

    def _filled(self, rendered: str, marks: Sequence[str], turns: Sequence[Turn]) -> Prompt:
        spans: list[Span] = []
        for mark, turn in zip(marks, turns, strict=True):
            before, found, rendered = rendered.partition(mark)
            if not found:
                raise TemplateError("the model's chat template loses a message")
            spans.append(Span(before, control=True))
            spans += _spans(turn)
        head = self._joined(spans[:2]) if turns[0].role == "system" and not turns[0].blocks else ()
        return Prompt(self._joined([*spans, Span(rendered, control=True)]), head)

    def _joined(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Harmless texts become one span with the template around them, so that the tokens are those the
        model was trained on; a text that spells a control token stays a span of its own."""
        joined: list[Span] = []
        for span in spans:
            plain = span.control or not any(text in span.text for text in self._control_texts)
            if plain and joined and joined[-1].control and not (span.block or joined[-1].block):
                joined[-1] = Span(joined[-1].text + span.text, control=True)
            else:
                joined.append(Span(span.text, control=plain, block=span.block))
        return tuple(joined)


def _spans(turn: Turn) -> Iterator[Span]:
    """The turn's text, cut at its blocks."""
    place = 0
    for start, end in turn.blocks:
        if not place <= start < end <= len(turn.text):
            raise TemplateError("the blocks of a turn must lie in its text, in order and apart")
        if start > place:
            yield Span(turn.text[place:start], control=False)
        yield Span(turn.text[start:end], control=False, block=True)
        place = end
    if place < len(turn.text) or not turn.blocks:
        yield Span(turn.text[place:], control=False)


def _without_system(turns: Sequence[Turn]) -> tuple[Turn, ...] | None:
    """The system turn put in front of the first question, for templates that know no system role."""
    if len(turns) < 2 or turns[0].role != "system" or turns[1].role != "user":
        return None
    before = f"{turns[0].text}\n\n"
    blocks = tuple((start + len(before), end + len(before)) for start, end in turns[1].blocks)
    return (Turn("user", before + turns[1].text, blocks), *turns[2:])


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the main thread when the body runs on; elsewhere there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _tojson(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(str(message))


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:200]
