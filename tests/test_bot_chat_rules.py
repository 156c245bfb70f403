"""What the configuration says about chats."""

from __future__ import annotations

import pytest

from bot.chat_rules import answers_stay_here
from bot.config import parse


@pytest.mark.parametrize(
    ("model", "here"),
    [
        ("", True),
        ('[model]\nkind = "none"\n', True),
        ('[model]\nkind = "server"\nurl = "http://127.0.0.1:8080"\n', True),
        ('[model]\nkind = "server"\nurl = "http://[::1]:8080/v1"\n', True),
        ('[model]\nkind = "server"\nurl = "https://models.example.org"\n', False),
        ('[model]\nkind = "server"\nurl = "http://10.0.0.7:8080"\n', False),
    ],
)
def test_people_are_told_that_answers_stay_here_only_where_they_do(model: str, here: bool) -> None:
    assert answers_stay_here(parse(model, "groundling.toml")) is here
