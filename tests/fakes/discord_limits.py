"""The limits that Discord sets to messages, components, modals, choices and commands.

Rule: everything over a limit is refused with 50035 and names the field; nothing is cut short silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.fakes.discord_refusal import Form
from tests.fakes.discord_world import COMPONENTS_V2, parts, texts

Json = dict[str, Any]
CONTENT, V2_TEXT, V2_PARTS = 2000, 4000, 40
_V2_KINDS = (9, 10, 11, 12, 13, 14, 17)
_V2_OUTERMOST = (1, 9, 10, 12, 13, 14, 17)
_SELECTS = (3, 5, 6, 7, 8)
_NAME = re.compile(r"[-_'\w]{1,32}")


def check_message(body: Json, *, flags: int) -> None:
    """Refuses what a message may not carry; `flags` are those that it will have."""
    form = Form()
    form.most("content", body.get("content"), CONTENT)
    form.most("nonce", body.get("nonce"), 25)
    if flags & COMPONENTS_V2 and (body.get("content") or body.get("embeds")):
        said = 'The "content" and "embeds" fields cannot be used with MessageFlags.IS_COMPONENTS_V2'
        field = "content" if body.get("content") else "embeds"
        form.wrong(field, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", said)
    _check_mentions(body.get("allowed_mentions") or {}, form)
    _check_embeds(body.get("embeds") or [], form)
    _check_components(body.get("components") or [], form, v2=bool(flags & COMPONENTS_V2))
    form.close()


def _check_mentions(allowed: Json, form: Form) -> None:
    for kind in ("users", "roles"):
        if kind in (allowed.get("parse") or []) and allowed.get(kind):
            said = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            form.wrong("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", said)
        form.most(f"allowed_mentions.{kind}", allowed.get(kind) or [], 100)


def _check_embeds(embeds: Sequence[Json], form: Form) -> None:
    form.most("embeds", list(embeds), 10)
    total = 0
    for number, embed in enumerate(embeds):
        path = f"embeds.{number}"
        footer, author = embed.get("footer") or {}, embed.get("author") or {}
        limited = [
            ("title", embed.get("title"), 256),
            ("description", embed.get("description"), 4096),
            ("footer.text", footer.get("text"), 2048),
            ("author.name", author.get("name"), 256),
        ]
        fields = embed.get("fields") or []
        form.most(f"{path}.fields", fields, 25)
        for place, field in enumerate(fields):
            limited.append((f"fields.{place}.name", field.get("name"), 256))
            limited.append((f"fields.{place}.value", field.get("value"), 1024))
        for name, text, most in limited:
            form.most(f"{path}.{name}", text, most)
            total += len(text or "")
    if total > 6000:
        form.wrong("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _check_components(components: Sequence[Json], form: Form, *, v2: bool) -> None:
    if v2:
        _check_v2(components, form)
    else:
        form.most("components", list(components), 5)
    for number, outer in enumerate(components):
        kind = outer.get("type")
        if kind not in (_V2_OUTERMOST if v2 else (1,)):
            form.wrong(
                f"components.{number}.type", "UNION_TYPE_CHOICES", "Value of field is not allowed here."
            )
    seen: set[str] = set()
    for path, part in _paths(components, "components"):
        if not v2 and part.get("type") in _V2_KINDS:
            form.wrong(f"{path}.type", "UNION_TYPE_CHOICES", "Needs MessageFlags.IS_COMPONENTS_V2.")
        _check_part(part, path, form)
        name = part.get("custom_id")
        if name is not None and name in seen:
            said = "Component custom id cannot be duplicated"
            form.wrong(f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", said)
        seen.add(name or "")


def _check_v2(components: Sequence[Json], form: Form) -> None:
    if len(list(parts(components))) > V2_PARTS:
        form.wrong("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", f"At most {V2_PARTS} components.")
    if sum(map(len, texts(components))) > V2_TEXT:
        said = f"The displayable text of components exceeds the maximum size of {V2_TEXT}"
        form.wrong("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", said)


def _paths(components: Sequence[Json], path: str) -> list[tuple[str, Json]]:
    """Every component with the way to it."""
    found: list[tuple[str, Json]] = []
    for number, part in enumerate(components):
        here = f"{path}.{number}"
        found.append((here, part))
        found += _paths(part.get("components") or [], f"{here}.components")
        for name in ("accessory", "component"):
            if part.get(name):
                found.append((f"{here}.{name}", part[name]))
    return found


def _check_part(part: Json, path: str, form: Form) -> None:
    kind = part.get("type")
    if kind == 1:
        inside = part.get("components") or []
        form.most(f"{path}.components", inside, 5, 1)
        if len(inside) > 1 and any(one.get("type") in _SELECTS for one in inside):
            form.wrong(f"{path}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The width is exceeded")
    if kind == 2:
        _check_button(part, path, form)
    if kind in _SELECTS:
        _check_select(part, path, form)
    if kind == 9:
        form.most(f"{path}.components", part.get("components") or [], 3, 1)
        if not part.get("accessory"):
            form.wrong(f"{path}.accessory", "BASE_TYPE_REQUIRED", "This field is required")
    if kind == 10:
        form.most(f"{path}.content", part.get("content"), V2_TEXT, 1)
    form.most(f"{path}.custom_id", part.get("custom_id"), 100)


def _check_button(part: Json, path: str, form: Form) -> None:
    form.most(f"{path}.label", part.get("label"), 80)
    if not part.get("label") and not part.get("emoji"):
        form.wrong(f"{path}.label", "BUTTON_COMPONENT_INVALID_LABEL", "A button needs a label or an emoji.")
    link = part.get("style") == 5
    if link != ("url" in part) or link == bool(part.get("custom_id")):
        said = "A custom id and url cannot both be specified, and one of them is needed"
        form.wrong(f"{path}.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", said)


def _check_select(part: Json, path: str, form: Form) -> None:
    options = part.get("options") or []
    form.most(f"{path}.options", options, 25, 1 if part.get("type") == 3 else 0)
    form.most(f"{path}.placeholder", part.get("placeholder"), 150)
    if not part.get("custom_id"):
        form.wrong(f"{path}.custom_id", "BASE_TYPE_REQUIRED", "This field is required")
    for number, option in enumerate(options):
        for name in ("label", "value", "description"):
            form.most(f"{path}.options.{number}.{name}", option.get(name), 100)


def check_modal(body: Json) -> None:
    """Refuses what a modal may not be."""
    form = Form()
    components = body.get("components") or []
    form.most("data.title", body.get("title") or "", 45, 1)
    form.most("data.custom_id", body.get("custom_id") or "", 100, 1)
    form.most("data.components", components, 5, 1)
    for number, outer in enumerate(components):
        if outer.get("type") not in (1, 10, 18):
            form.wrong(f"data.components.{number}.type", "UNION_TYPE_CHOICES", "Not allowed in a modal.")
    for path, part in _paths(components, "data.components"):
        if part.get("type") == 18:
            form.most(f"{path}.label", part.get("label") or "", 45, 1)
            form.most(f"{path}.description", part.get("description"), 100)
        if part.get("type") == 4:
            form.most(f"{path}.label", part.get("label"), 45)
            form.most(f"{path}.value", part.get("value"), 4000)
            form.most(f"{path}.placeholder", part.get("placeholder"), 100)
            if not 1 <= part.get("max_length", 4000) <= 4000:
                form.wrong(f"{path}.max_length", "NUMBER_TYPE_MAX", "Must be between 1 and 4000.")
        form.most(f"{path}.custom_id", part.get("custom_id"), 100)
    form.close()


def check_choices(choices: Sequence[Json]) -> None:
    """Refuses what an autocomplete may not offer."""
    form = Form()
    form.most("data.choices", list(choices), 25)
    for number, choice in enumerate(choices):
        form.most(f"data.choices.{number}.name", choice.get("name"), 100, 1)
        form.most(f"data.choices.{number}.value", choice.get("value"), 100)
    form.close()


def check_commands(commands: Sequence[Json]) -> None:
    """Refuses a scope's set of commands that breaks a limit."""
    form = Form()
    seen: set[tuple[int, str]] = set()
    for number, command in enumerate(commands):
        path, kind, name = str(number), command.get("type", 1), command.get("name", "")
        form.most(f"{path}.name", name, 32, 1)
        if kind == 1:
            _check_name(name, f"{path}.name", form)
            form.most(f"{path}.description", command.get("description") or "", 100, 1)
            _check_options(command.get("options") or [], f"{path}.options", form)
        elif command.get("description"):
            said = "Context menu commands cannot have description"
            form.wrong(f"{path}.description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID", said)
        if (kind, name) in seen:
            said = "Application command names must be unique"
            form.wrong(f"{path}.name", "APPLICATION_COMMANDS_DUPLICATE_NAME", said)
        seen.add((kind, name))
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        if sum(command.get("type", 1) == kind for command in commands) > most:
            form.wrong("0", "APPLICATION_COMMAND_TOO_MANY", f"At most {most} commands of type {kind}.")
    form.close()


def _check_name(name: str, path: str, form: Form) -> None:
    if not _NAME.fullmatch(name) or name != name.lower():
        form.wrong(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_options(options: Sequence[Json], path: str, form: Form) -> None:
    form.most(path, list(options), 25)
    optional = False
    for number, option in enumerate(options):
        here = f"{path}.{number}"
        _check_name(option.get("name", ""), f"{here}.name", form)
        form.most(f"{here}.description", option.get("description") or "", 100, 1)
        form.most(f"{here}.choices", option.get("choices") or [], 25)
        if option.get("required") and optional:
            said = "Required options must be placed before non-required options"
            form.wrong(f"{here}.required", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", said)
        optional = optional or not option.get("required")
        _check_options(option.get("options") or [], f"{here}.options", form)
