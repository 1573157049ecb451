"""Normalisation, and HTML to text: what is visible and what is hidden.

A green run does not prove that every way to hide a text is known; text that is not known to be hidden counts as
visible.
"""

import pytest

from shared.text.html import html_to_text, looks_like_html
from shared.text.normalise import normalise


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
def test_text_is_normalised(text: str, wanted: str) -> None:
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
def test_text_that_is_no_html_mail_is_not_converted(text: str) -> None:
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
def test_html_mails_are_recognised(text: str) -> None:
    assert looks_like_html(text)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b &amp; c</p>", "a\n\nb & c"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<html><head><style>x{}</style></head><body>a<script>1</script></body></html>", "a"),
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
    assert html_to_text(html) == (text, "")


HIDDEN = [
    '<div style="display:none">50% off</div>',
    '<div style="DISPLAY : none !important; color:red">50% off</div>',
    '<span style="visibility:hidden">50% off</span>',
    '<div style="font-size:0;line-height:0">50% off</div>',
    '<div style="mso-hide:all">50% off</div>',
    '<div style="max-height:0px; overflow:hidden">50% off</div>',
    '<div style="position:absolute;left:-9999px">50% off</div>',
    '<div style="opacity:0">50% off</div>',
    "<div hidden>50% off</div>",
    "<style>.pre, p.x { color: red; display: none }</style><div class='a pre'>50% off</div>",
    "<style>#pre{display:none}</style><div id=pre>50% off</div>",
    '<div style="display:none"><table><tr><td>50%</td><td>off</td></tr></table></div>',
    "<title>50% off</title>",
    "<span style=font-size:0>50%</span><span style='font-size:1px'>off</span>",
    "<template>50% off</template>",
]
SHOWN = [
    "<div style='display:block'>50% off</div>",
    "<div aria-hidden=true>50% off</div>",
    "<style>@media (max-width:600px){.pre{display:none}}</style><div class=pre>50% off</div>",
    "<style>.other{display:none}</style><div class=pre>50% off</div>",
    "<style>.box .pre{display:none}</style><div class=pre>50% off</div>",
    '<div style="max-height:0">50% off</div>',
    '<div style="font-size:0.9em;opacity:0.5">50% off</div>',
    '<div style="background:url(display:none)">50% off</div>',
    '<table style="font-size:0"><tr><td style="font-size:14px">50% off</td></tr></table>',
    '<div style="left:-100px">50% off</div>',
    "<style>.a{display:none} .a{display:block}</style><div class=a>50% off</div>",
    "<style>.a{display:none}</style><div class=a style='display:block'>50% off</div>",
    "<style media=print>.a{display:none}</style><div class=a>50% off</div>",
]


@pytest.mark.parametrize("html", HIDDEN)
def test_hidden_text_of_a_page_is_kept_apart(html: str) -> None:
    found = html_to_text(f"<html><body>{html}<p>My lamp is broken.</p></body></html>")
    assert found.visible == "My lamp is broken."
    assert found.hidden.split() == ["50%", "off"]


@pytest.mark.parametrize("html", SHOWN)
def test_text_that_only_looks_hidden_is_visible(html: str) -> None:
    found = html_to_text(f"<html><body>{html}<p>My lamp is broken.</p></body></html>")
    assert (found.visible, found.hidden) == ("50% off\nMy lamp is broken.", "") or found.visible.split() == [
        "50%", "off", "My", "lamp", "is", "broken.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<p>Hi</p><style>p{} My lamp is broken", "My lamp is broken"),
        ("<p>Hi</p><script>x=1; My lamp is broken", "My lamp is broken"),
        ("<p>my order <41155> of <lamp shade></p>", "<41155> of <lamp shade>"),
        ("<p>if a < b and c > d</p>", "if a < b and c > d"),
        ("<p>Jo <jo@example.com> wrote <https://x.example></p>", "<jo@example.com> wrote <https://x.example>"),
        ("<p>x <![CDATA[My lamp]]></p>", "My lamp"),
        ("<o:p>My lamp</o:p><br>is<br>broken", "My lamp\nis\nbroken"),
        ("<div style='display:none'>a<div>b</p></div>c</div><p>My lamp</p>", "My lamp"),
    ],
)
def test_no_word_of_a_page_is_lost(html: str, words: str) -> None:
    assert words in html_to_text(html).visible
