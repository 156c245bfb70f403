"""Text in old encodings is read as it was written."""

from __future__ import annotations

import pytest

from knowledge.readers.encodings import decode

GERMAN = "Die Kündigungsfrist beträgt für alle Beschäftigten sechs Wochen zum Quartalsende. "
CZECH = "Zaměstnanec musí oznámit nepřítomnost nejpozději do dvou dnů. Příspěvek se vyplácí každý měsíc. "
RUSSIAN = "Сотрудник обязан сообщить об отсутствии не позднее двух дней. "
GREEK = "Ο εργαζόμενος πρέπει να ενημερώσει για την απουσία του το αργότερο εντός δύο ημερών. "
JAPANESE = "従業員は遅くとも二日以内に欠勤を届け出なければならない。給与は毎月支払われます。"
CHINESE = "员工必须在两天内报告缺勤情况。工资每月支付，包括节假日和加班费。"
KOREAN = "직원은 늦어도 이틀 이내에 결근을 신고해야 합니다. 급여는 매월 지급됩니다. "


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((GERMAN, name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")),
        *((GERMAN, name) for name in ("utf-32", "utf-32-le", "utf-32-be", "latin-1", "cp1252", "cp850")),
        (CZECH, "cp1250"),
        *((RUSSIAN, name) for name in ("cp1251", "koi8-r", "cp866", "iso8859-5")),
        *((GREEK, name) for name in ("cp1253", "iso8859-7")),
        *((JAPANESE, name) for name in ("shift_jis", "euc-jp", "iso2022_jp")),
        (CHINESE, "gbk"),
        (KOREAN, "euc-kr"),
        ("Grüße, 5 € für Kaffee", "cp1252"),
    ],
)
def test_text_is_decoded(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_counts_where_it_is_not_utf8() -> None:
    assert decode("łódź".encode("iso8859-2"), encoding="iso8859-2") == "łódź"


def test_an_unknown_declared_encoding_is_ignored() -> None:
    assert decode(b"caf\xe9 au lait, d\xe9j\xe0 vu", encoding="klingon") == "café au lait, déjà vu"


def test_one_broken_byte_in_utf8_spoils_nothing_else() -> None:
    body = (GERMAN * 5).encode() + b"\xff" + GERMAN.encode()
    assert decode(body) == GERMAN * 5 + "\ufffd" + GERMAN


def test_line_ends_are_unified() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"
