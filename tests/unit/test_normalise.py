"""Normalisation, HTML to text, and what is cut off a mail.

A green run does not prove that the mails of every program are understood; in doubt a text is kept.
"""

import pytest

from shared.text.html import html_to_text, looks_like_html
from shared.text.normalise import normalise
from shared.text.replies import strip_quotes, strip_signature


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("e\u0301", "é"),
        ("\u212b", "Å"),
        ("a\r\nb\rc\u2028d\x85e\x0cf", "a\nb\nc\nd\ne\nf"),
        ("a\x00b\x1bc\x7fd", "abcd"),
        ("a\tb\n\nc", "a\tb\n\nc"),
        ("jo\u200b@\u2060example\ufeff.com", "jo@example.com"),
        ("41\u200d11 41\u200c11", "4111 4111"),
        ("0\ufe0f\u20e36", "06"),
        ("\u202eabc\u2069", "abc"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        (" \n a \u3000", "a"),
        ("e\u200b\u0301", "é"),
        ("", ""),
    ],
)
def test_normalised(text: str, wanted: str) -> None:
    assert normalise(text) == wanted
    assert normalise(wanted) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "a < b > c",
        "I <3 you",
        "enter <name> and <b>",
        "the <div> tag </div> is broken",
        '<?xml version="1.0"?><order><p>5</p></order>',
        "<order><id>5</id></order>",
        "if (a<b && c>d) x</b>",
        "",
    ],
)
def test_what_is_no_html_mail(text: str) -> None:
    assert not looks_like_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><body>x</body></html>",
        "Fwd:\n<html><p>x</p></html>",
        "<p>x</p>",
        "Hello<br>I wait<br/>Jo",
        '<div dir="ltr">x</div>',
    ],
)
def test_what_is_an_html_mail(text: str) -> None:
    assert looks_like_html(text)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b &amp; c</p>", "a\n\nb & c"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<html><head><title>t</title><style>x{}</style></head><body>a<script>1</script></body></html>", "a"),
        ("<table><tr><td>Order</td><td>41155</td></tr><tr><td>a</td><td>b</td></tr></table>", "Order  41155\na  b"),
        ("<p>jo&#64;example.com</p>", "jo@example.com"),
        ('<a href="mailto:jo@example.com">mail  me</a>', "mail me"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ('<div>yes</div><blockquote type="cite">a<br>b</blockquote>c', "yes\n\n> a\n> b\n\nc"),
        ("<blockquote>my words</blockquote>", "my words"),
        ("hello <!-- never closed", "hello never closed"),
        ('<meta charset="iso-8859-1"><p>Grüße 日本</p>', "Grüße 日本"),
        ("<script>never closed", "never closed"),
        ('<p title="never closed', '<p title="never closed'),
        ("<p> </p>", ""),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("No.\n\nOn Mon, 4 May 2026 at 10:00 Shop <a@x.com> wrote:\n> Try\n> again\n\nPS", "No.\n\n\nPS"),
        ("No.\n\nOn Mon, 4 May 2026 at 10:00 Shop\n<a@x.com> wrote:\n> Try", "No."),
        ("Nein\nAm 4.5.2026 um 10:00 schrieb Shop <a@x.de>:\nhallo", "Nein"),
        ("Oui\n\nLe lun. 4 mai 2026 à 10:00, Shop <s@x.fr> a écrit :\nbonjour", "Oui"),
        ("Sí\nEl lun, 4 may 2026 a las 10:00, Shop escribió:\nhola", "Sí"),
        ("ok\n-----Original Message-----\nFrom: a\nx", "ok"),
        ("ok\n\nFrom: Shop\nSent: Monday\nTo: Jo\nSubject: x\n\nhello", "ok"),
        ("> a\n> b\n> c\nyes", "yes"),
    ],
)
def test_a_quoted_mail_is_cut_off(text: str, kept: str) -> None:
    assert strip_quotes(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nhello",
        "On 4 May 2026 at 10:00 I wrote:\nhello",
        "On Mon, 4 May 2026 10:00 Shop wrote:\n> all of it",
        "> a\n> b\n> c",
        "> 5 items\nare missing",
        "I need:\n- a lamp\n- a box",
        "Look:\n---------- Forwarded message ---------\nFrom: Shop\nyour parcel is lost",
        "one line",
        "",
    ],
)
def test_what_a_customer_wrote_stays(text: str) -> None:
    assert strip_quotes(text) == text


@pytest.mark.parametrize(
    "signature",
    [
        "\n-- \nJo Doe\nAcme",
        "\n--\nJo",
        "\n\nSent from my iPhone",
        "\nEnvoyé de mon iPhone",
        "\nVon meinem iPhone gesendet",
        "\nEnviado desde mi iPhone",
        "\nBest regards,\nJo Doe",
        "\n\nCordialement,\n\nJo",
        "\nMit freundlichen Grüßen\nJo Muster\nMuster GmbH",
        "\nUn saludo",
        "\nKind regards\nJo\nSent from my iPhone",
    ],
)
def test_a_signature_is_cut_off(signature: str) -> None:
    assert strip_signature("The lamp broke." + signature) == "The lamp broke."
    assert strip_signature(signature.strip()) == signature.strip() or "\n" in signature.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Help\nThanks\nOrder 41155",
        "Best regards,\nJo",
        "a\n--\n" + "and more\n" * 20 + "end",
        "It says: sent from my iPhone\nbut I have none",
        "Thanks\nfor nothing, this is the third time that I have to write to you about it",
        "Regards",
    ],
)
def test_what_is_no_signature_stays(text: str) -> None:
    assert strip_signature(text) == text
