"""The configuration file: its sections, its defaults, and what is wrong with it in one line.

Rule: every key is checked, an unknown one is refused with the nearest known name, and no secret is
ever read from here.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError, model_validator
from pydantic.fields import FieldInfo

from bot.config_chat import AccessSection, ChannelSection, DiscordSection, SlackSection
from bot.config_sections import (
    BotSection,
    CollectionSection,
    EmbeddingSection,
    LoraSection,
    ModelSection,
    RetrievalSection,
    Section,
    SourceSection,
)
from bot.config_serving import LimitsSection, ScheduleSection, WebSection
from bot.errors import ConfigError
from bot.question import NO_LORA, SHIPPED_LORA

DEFAULT_FILE = Path("groundling.toml")


class Config(Section):
    """The whole file."""

    bot: BotSection = BotSection()
    source: tuple[SourceSection, ...] = ()
    collection: tuple[CollectionSection, ...] = ()
    lora: tuple[LoraSection, ...] = ()
    retrieval: RetrievalSection = RetrievalSection()
    model: ModelSection = ModelSection()
    embedding: EmbeddingSection = EmbeddingSection()
    access: AccessSection = AccessSection()
    channel: tuple[ChannelSection, ...] = ()
    slack: SlackSection = SlackSection()
    discord: DiscordSection = DiscordSection()
    schedule: ScheduleSection = ScheduleSection()
    web: WebSection = WebSection()
    limits: LimitsSection = LimitsSection()

    @property
    def collections(self) -> frozenset[str]:
        """The name of every collection that a source or a section of its own names."""
        return frozenset([s.collection for s in self.source] + [c.name for c in self.collection])

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        for kind, names in (
            ("source", [s.name for s in self.source]),
            ("collection", [c.name for c in self.collection]),
            ("lora", [one.name for one in self.lora]),
            ("channel", [one.id for one in self.channel]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two [[{kind}]] are called {twice[0]!r}; give each its own name")
        return self

    @model_validator(mode="after")
    def _loras_are_known(self) -> Config:
        known = [one.name for one in self.lora]
        places: list[CollectionSection | ChannelSection] = [*self.collection, *self.channel]
        wanted = None if self.model.lora in (NO_LORA, SHIPPED_LORA) else self.model.lora
        for name in [wanted, *(place.lora for place in places)]:
            if name is not None and name not in known and self.model.kind == "gguf":
                raise ValueError(
                    f"there is no [[lora]] called {name!r}; there is: {', '.join(known) or 'none'}"
                )
        return self

    @model_validator(mode="after")
    def _collections_are_known(self) -> Config:
        known = self.collections
        for place in self.channel:
            for name in place.collections or ():
                if name not in known:
                    raise ValueError(
                        f"[[channel]] {place.id} names the collection {name!r}, which no source has; "
                        f"there is: {', '.join(sorted(known)) or 'none'}"
                    )
        return self


def load(path: Path) -> Config:
    """Reads and checks `path`; raises `ConfigError` with one line that names the key and the mend."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; make one with: groundling init") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    return parse(text, str(path))


def parse(text: str, origin: str) -> Config:
    """The configuration in `text`; `origin` names it in errors."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin} is not valid TOML: {_one_line(str(error))}") from None
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_one_line(f"{origin}: {_explain(error)}")) from None


def sections() -> dict[str, type[BaseModel]]:
    """Every section by its name, in the order of the file; those of `LISTED` are written [[name]]."""
    found = {name: _section_of(field) for name, field in Config.model_fields.items()}
    return {name: section for name, section in found.items() if section is not None}


LISTED = ("source", "collection", "lora", "channel")
"""The sections that may stand more than once."""


def _explain(error: ValidationError) -> str:
    # A misspelt key is the cause of the key that is missing, so it is told first.
    problems = error.errors(include_url=False)
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    where = first["loc"]
    key = _dotted(where)
    match first["type"]:
        case "extra_forbidden":
            known = sorted(_known_keys(where[:-1]))
            near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            return f"unknown key {key!r}; {hint}"
        case "missing":
            return f"{key!r} is missing; add it"
        case "value_error":
            said = str(first["ctx"]["error"])
            # What a section says of itself names its keys; what a key says does not.
            return f"{key} = {_shown(first['input'])}: {said}" if _is_value(first["input"]) else said
        case "string_pattern_mismatch":
            shape = "letters, digits, dots, dashes and underscores, beginning with a letter or digit"
            return f"{key} = {_shown(first['input'])}: it may hold {shape}"
        case "tuple_type" | "model_type" if str(where[-1]) in Config.model_fields or isinstance(
            where[-1], int
        ):
            brackets = f"[[{where[0]}]]" if where[0] in LISTED else f"[{where[0]}]"
            return f"{key!r} is a section; write it as {brackets} with its keys below"
        case _:
            told = [problem["msg"] for problem in problems if _dotted(problem["loc"]) == key]
            expected = " or ".join(dict.fromkeys(map(_plain, told))).replace(" or be ", " or ")
            return f"{key} = {_shown(first['input'])}: it should {expected}"


def _is_value(value: object) -> bool:
    return not isinstance(value, dict | BaseModel)


_PLAIN = {
    "a valid string": "text in quotes",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid tuple": "a list in [brackets]",
}


def _plain(message: str) -> str:
    """Pydantic's "Input should be ..." as what comes after "it should"."""
    wanted = message.partition(" should ")[2] or f"not be so ({message})"
    return "be " + _PLAIN[wanted.removeprefix("be ")] if wanted.removeprefix("be ") in _PLAIN else wanted


def _known_keys(where: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Config
    for part in where:
        if isinstance(part, str):
            model = _section_of(model.model_fields.get(part)) or model
    return set(model.model_fields)


def _section_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The section that a key holds, None for a plain value."""
    kind = field.annotation if field else None
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _dotted(where: tuple[int | str, ...]) -> str:
    """The place of a key in the words of the file: "source[2].path"."""
    out = ""
    inside: type[BaseModel] | None = Config
    for part in where:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        elif inside is None:
            break  # the validator's name for a branch of a union
        else:
            out += f".{part}" if out else part
            inside = _section_of(inside.model_fields.get(part))
    return out


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
