"""Rows are whole, of one mind, apart from the test and clean, or they are left out and counted."""

from __future__ import annotations

import itertools

import pytest

from bot.errors import WrongUse
from bot.finetuning.checks import Check, Checked, checked, enough
from bot.finetuning.leaks import personal_in, secrets_in
from bot.finetuning.licences import licences_for
from bot.finetuning.near_duplicates import near_duplicates
from bot.languages import REFUSALS
from models.engine.generator import Turn
from models.finetune.rows import Row

WORDS = "alder beech cedar elm fir hazel ivy juniper larch maple oak pine rowan spruce willow yew".split()


def row(id: str, *, ask: str = "", answer: str = "", passage: str = "", document: str = "") -> Row:
    text, blocks = "Sources:", []
    for block in ("\n\n[1]", f" {document or id}\n{passage or id}"):
        blocks.append((len(text), len(text) + len(block)))
        text += block
    asked = Turn("user", f"{text}\n\nQuestion: {ask or f'What is {id}?'}", tuple(blocks))
    return Row(
        id, (Turn("system", "Rules"), asked), answer or f"It is {id} [1].", "set", "own", document or id
    )


def through(rows: list[Row], test: list[Row] | None = None, *, keep_personal: bool = False) -> Checked:
    return checked(
        rows,
        test or [],
        length=lambda one: len(one.turns[-1].text.split()),
        most_tokens=100,
        keep_personal=keep_personal,
    )


def of(found: Checked, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def test_good_rows_go_through_whole() -> None:
    rows = [row(word) for word in WORDS]
    found = through(rows)
    assert found.rows == tuple(rows)
    assert [check.name for check in found.checks] == [
        *("schema", "duplicates", "conflicting answers", "secrets", "personal data", "too long"),
        "near the test",
    ]
    assert not any(check.left_out for check in found.checks)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (row("bad", answer="It is bad."), "no number in the answer"),
        (row("bad", answer="It is bad [2]."), "a number without its passage"),
        (Row("bad", (Turn("user", "bare"),), "It is [1].", "s", "l", "d"), "no question"),
    ],
)
def test_a_row_that_nobody_could_learn_from_is_left_out(bad: Row, kind: str) -> None:
    found = through([row("oak"), bad])
    assert [one.id for one in found.rows] == ["oak"]
    assert of(found, "schema") == Check("schema", 1, ("bad",), {kind: 1})


def test_the_same_row_stays_once_and_of_two_answers_the_first() -> None:
    rows = [
        row("oak"),
        row("oak"),
        row("elm", ask="How tall?", document="trees", answer="9 m [1]."),
        row("fir", ask="how tall", document="trees", answer="12 m [1]."),
        row("yew", ask="how tall", document="trees", answer=REFUSALS["en"]),
        row("ivy", ask="How tall?", document="others", answer="12 m [1]."),
    ]
    found = through(rows)
    assert [one.id for one in found.rows] == ["oak", "elm", "yew", "ivy"]
    assert of(found, "duplicates").left_out == 1
    assert of(found, "conflicting answers").ids == ("fir",)


def test_a_row_with_a_secret_is_left_out_and_the_secret_is_never_told() -> None:
    secret = "ghp_" + "a1B2" * 9
    found = through(
        [row("oak"), row("elm", passage=f"Use {secret} to log in.")], [row("fir", passage=secret)]
    )
    assert [one.id for one in found.rows] == ["oak"]
    assert found.test == ()
    assert of(found, "secrets") == Check("secrets", 1, ("elm",), {"access token": 1})
    assert secret not in repr(found)


def test_personal_data_is_left_out_unless_it_is_to_be_kept() -> None:
    rows = [row("oak"), row("elm", passage="Write to ada@example.org.")]
    assert [one.id for one in through(rows).rows] == ["oak"]
    assert len(through(rows, keep_personal=True).rows) == 2


def test_a_row_over_the_limit_of_tokens_is_left_out() -> None:
    assert [one.id for one in through([row("oak"), row("elm", passage="word " * 120)]).rows] == ["oak"]


def test_a_row_that_is_nearly_one_of_the_test_is_left_out() -> None:
    passage = " ".join(f"{word} wood is used for {other}" for word, other in itertools.pairwise(WORDS))
    test = row("t", ask="What is elm for?", answer="It is fir [1].", passage=passage)
    near = row("n", ask="What is elm wood for?", answer="It is fir [1].", passage=f"{passage}.")
    found = through([near, row("oak")], [test])
    assert [one.id for one in found.rows] == ["oak"]
    assert of(found, "near the test").ids == ("n",)


def test_two_refusals_are_no_near_duplicates_for_their_sentence() -> None:
    refused = row("oak", ask="How high?", answer=REFUSALS["en"])
    found = through([refused], [row("elm", ask="How wide?", answer=REFUSALS["en"])])
    assert found.rows == (refused,)
    assert not through([refused], [row("fir", ask="How high?", answer=REFUSALS["en"])]).rows


def test_near_duplicates_are_those_that_share_most_of_their_words_in_a_row() -> None:
    text = " ".join(WORDS)
    others = [" ".join(reversed(WORDS)), f"{text} again", ""]
    assert near_duplicates([text, "quite another text", "", "oak pine"], others) == {0: 1}


def test_too_few_rows_are_refused_in_one_line_that_says_how_many_are_wanted() -> None:
    few = [row(word) for word in WORDS[:3]]
    with pytest.raises(
        WrongUse, match=r"^3 rows came out, and 20 are wanted at least \(left out: 1 schema\); "
    ):
        enough(through([*few, row("bad", answer="bad")]))
    many = through([row(f"{one} {other}") for one in WORDS for other in WORDS])
    enough(many)
    assert len(many.rows) == 256


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("postgres://app:hunter2@db.example/x", "password in an address"),
        ("xoxb-1234567890-abcdef", "access token"),
        ("key AKIAIOSFODNN7EXAMPLE here", "API key"),
        ("The password is Tr0ub4dor&3", "password"),
        ("api_key = 'abcd1234efgh'", "password"),
        ("DB_PASSWORD=S3cretPass99x", "password"),
        ('{"password": "S3cretPass99x"}', "password"),
        ("SLACK_SIGNING_SECRET=8f742231b10e8888abcd", "password"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "password"),
        ("client_secret: 8Q~abcdefgh1234", "password"),
        ("- **Password:** S3cretPass99x", "password"),
        ("redis://:S3cretPass99x@cache.example/0", "password in an address"),
        ("https://hooks.slack.com/services/T00000000/B00000000/abcdefgh12345678ijkl", "access token"),
        ("https://discord.com/api/webhooks/1234567890/abcdefgh_1234567890ABCDEF", "access token"),
        ("MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs", "access token"),
        ("xoxc-123456789012-123456789012-abcdef0123456789", "access token"),
        ("xoxe-1-My0xLTEyMzQ1Njc4OTAxMg", "access token"),
        ('curl -H "Authorization: Bearer 7f3a9c2e1b4d5f6a8b9c0d1e2f3a4b5c"', "access token"),
        ("AccountName=acme;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6==", "password"),
        ("Endpoint=sb://x.example/;SharedAccessKey=abcDEF123456789012345678901234567890=", "password"),
        ('"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', "password"),
        ('"accessToken": "a1b2c3d4e5f6a7b8c9d0e1f2"', "password"),
        ('"clientSecret": "8Q~abcDEF123ghiJKL456mnoPQR789stuVWX"', "password"),
        ("Das Passwort lautet: Sommer2024!", "password"),
        ("Das Passwort f\u00fcr das WLAN lautet Sommer2024!", "password"),
        ("Gastpasswort f\u00fcr das WLAN: Sommer2024!", "password"),
        ("The password for the guest wifi is Summer2024!", "password"),
        ("The\u00a0password\u00a0is\u00a0Summer2024!", "password"),
    ],
)
def test_secrets_are_known_by_their_form(text: str, kind: str) -> None:
    assert secrets_in(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "Your password is sent by mail.",
        "The token is valid for 30 days.",
        "https://example.org:8080/a@b",
        "A secret: 12 eggs",
        "password: changeme",
        "ask-it and sk-ip",
        "Set DB_PASSWORD in the environment before the first start.",
        "**Password:** at least 16 characters",
        "https://hooks.slack.com/services is where they begin",
        "The password for the portal is changed every 90 days, at 08:00 on 2024-01-31T08.",
        "The password change deadline is 31-March-2024",
        "Password for the portal: https://reset.example.org/form2024",
        "add the token to the workflow (#45185) [page](https://example.org/a1b2c3d4)",
        "Authorization: Bearer YOUR_ACCESS_TOKEN_HERE",
        "/list?pageToken=&prefix=reports-of-2024",
        "The Tokenisierung2024 of texts",
    ],
)
def test_talk_about_secrets_is_none(text: str) -> None:
    assert secrets_in(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("mail ada.l+x@mail.example.org now", ["e-mail address"]),
        ("call +353 1 555 0142 today", ["phone number"]),
        ("Tel. 030 / 123 456 78", ["phone number"]),
        ("(555) 010-4477", ["phone number"]),
        ("IBAN DE89 3704 0044 0532 0130 00 bitte", ["IBAN"]),
        ("card 4111 1111 1111 1111 until May", ["card number"]),
        ("IBAN DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", ["IBAN"]),
        ("+49\u00a0171\u00a01234567", ["phone number"]),
        ("030\u20111234567", ["phone number"]),
        ("Call 415-555-2671.", ["phone number"]),
        ("415.555.2671", ["phone number"]),
        ("1-800-555-0199", ["phone number"]),
        ("Appelez le 06 12 34 56 78.", ["phone number"]),
        ("Bel 06-12345678.", ["phone number"]),
        ("00 49 171 1234567 or 00491711234567", ["phone number"]),
        ("Order 0012345678, article 000123456789", []),
        ("01.02.2024 03:00 to 05.02.2024 16:00, 01-02-2024 03-04-2024", []),
        ("<Buffer 01 02 03 04 05>", []),
        ("version 120.0.6099.109, build 2024.100.2000, ISBN 978-3-16-148410-0", []),
        ("123-1234567-1234567 and 2024-100-2000", []),
        ("DE88 3704 0044 0532 0130 00", []),
        ("4111 1111 1111 1112", []),
        ("From 1914 to 1918, 10.5 million of 65,038,810 soldiers, version 1.0.0", []),
        ("article 110-055 of 2026-01-31, extension 4521", []),
        ("0000 0000 0000 0000 000", []),
    ],
)
def test_personal_data_is_known_by_its_form_and_its_check_digits(text: str, kinds: list[str]) -> None:
    assert personal_in(text) == kinds


def test_each_source_has_its_licence_by_name_or_by_its_place() -> None:
    assert licences_for(["squad", "index"], ["CC BY-SA 4.0", "own"]) == ["CC BY-SA 4.0", "own"]
    assert licences_for(["squad", "index"], ["index=own", "MIT"]) == ["MIT", "own"]
    assert licences_for(["squad"], ["Landsat and Sentinel terms"]) == ["Landsat and Sentinel terms"]


@pytest.mark.parametrize(
    ("sources", "given", "says"),
    [
        ([], [], "give at least one source"),
        (["squad", "index"], ["MIT"], "name the licence of 'index', as in --licence index=own"),
        (["squad"], ["MIT", "own"], "there is no source for the licence 'own'; there are: squad"),
        (["squad"], [" "], "name the licence of 'squad'"),
        (["squad"], ["unknown"], "without one nothing may be learned"),
        (["squad"], ["CC BY-ND 4.0"], "forbids to change the work"),
        (["squad"], ["cc-by-nc-nd-4.0"], "forbids to change the work"),
        (["squad"], ["squad=Attribution-NoDerivatives"], "forbids to change the work"),
        (["squad"], ["https://creativecommons.org/licenses/by-nd/4.0/"], "forbids to change the work"),
        (["squad"], ["CC Attribution-NoDerivs 3.0"], "forbids to change the work"),
        (["squad"], ["CC_BY_ND_4.0"], "forbids to change the work"),
        (["squad"], ["CC BY ND, version 4"], "forbids to change the work"),
    ],
)
def test_a_licence_that_is_missing_or_forbids_it_is_refused(
    sources: list[str], given: list[str], says: str
) -> None:
    with pytest.raises(WrongUse) as refused:
        licences_for(sources, given)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
