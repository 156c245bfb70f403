"""Of a message every part is read that a mail program shows, in its order."""

from __future__ import annotations

from knowledge.readers.formats import reader

HTML = "Content-Type: text/html\n\n<p>The plan is approved.</p>"
PICTURE = "Content-Type: image/png\nContent-Disposition: inline; filename=a.png\n\nx"
FORWARDED = "Content-Type: message/rfc822\n\nFrom: c@d.e\nSubject: The plan\n\nPlease approve the plan."


def plain(text: str) -> str:
    return f"Content-Type: text/plain\n\n{text}"


def mail(kind: str, *parts: str) -> list[str]:
    """The texts of a message with these parts, without its header."""
    body = "".join(f"\n--b\n{part}\n" for part in parts)
    message = f"From: a@b.c\nContent-Type: multipart/{kind}; boundary=b\n\n{body}\n--b--\n"
    header, *texts = [
        block.text for section in reader("eml")(message.encode()).sections for block in section.blocks
    ]
    assert header == "From: a@b.c"
    return texts


def test_the_footer_of_a_mailing_list_does_not_stand_for_the_message() -> None:
    assert mail("mixed", HTML, plain("To unsubscribe, ask.")) == [
        "The plan is approved.",
        "To unsubscribe, ask.",
    ]


def test_text_behind_a_picture_is_read() -> None:
    texts = mail("mixed", plain("Look:"), PICTURE, plain("Is it right?"))
    assert texts == ["Look:", "Is it right?", "Attachments:\n- a.png"]


def test_a_forwarded_message_follows_the_words_of_who_forwards_it() -> None:
    forwarded = ["From: c@d.e\nSubject: The plan", "Please approve the plan."]
    assert mail("mixed", HTML, FORWARDED) == ["The plan is approved.", *forwarded]
    assert mail("mixed", plain("See below."), FORWARDED) == ["See below.", *forwarded]


def test_of_alternatives_one_is_read() -> None:
    assert mail("alternative", HTML, plain("Approved.")) == ["Approved."]
    assert mail("alternative", plain(" "), HTML) == ["The plan is approved."]
    assert mail("related", HTML, plain("a frame")) == ["The plan is approved."]


def test_attached_text_is_not_read() -> None:
    attached = "Content-Type: text/plain\nContent-Disposition: attachment; filename=log.txt\n\nlog"
    assert mail("mixed", HTML, attached) == ["The plan is approved.", "Attachments:\n- log.txt"]
