"""Which part of a mail is embedded: forwards, headers, introductions, dividers, closing formulas, signatures.

A green run does not prove that the mails of every program are understood. Text that is not recognised is embedded, and
text that is cut is kept: `tests/property/test_kept.py`.
"""

import pytest

from tests.support.assembly import PREPARER

HELLO = "Hello,\n\n"

FORWARDED = [
    "FYI\n\n---------- Forwarded message ----------\nFrom: Jo\nDate: 4 Sep 2026\nTo: service\nSubject: Lamp broken\n\n"
    "My lamp is broken",
    "FYI\n\nBegin forwarded message:\n\n> From: Jo\n> Subject: Lamp\n> Date: 4 September 2026\n> To: service\n>\n"
    "> My lamp is broken",
    "See this.\n\nFrom: Jo\nSent: Friday, 4 September 2026 10:00\nTo: Al\nSubject: FW: Lamp\n\nMy lamp is broken",
    "Bitte prüfen.\n\n-------- Weitergeleitete Nachricht --------\nBetreff: Lampe\nDatum: 4. Sep 2026 10:00\nVon: Jo\n"
    "An: Service\n\nMeine Lampe ist kaputt",
    "Bitte prüfen.\n\nVon: Jo\nGesendet: Freitag, 4. September 2026 10:00\nAn: Al\nBetreff: WG: Lampe\n\nSie ist kaputt",
    "Anfang der weitergeleiteten Nachricht:\n\n> Von: Jo\n> Betreff: Lampe\n> An: Al\n>\n> Sie ist kaputt",
    "Merci.\n\n-------- Message transféré --------\nSujet : Lampe\nDate : 4 sept. 2026\nDe : Jo\nPour : Al\n\nCassée",
    "Merci.\n\nDe : Jo\nEnvoyé : vendredi 4 septembre 2026 10:00\nÀ : Al\nObjet : TR: Lampe\n\nElle est cassée",
    "Début du message réexpédié :\n\n> De: Jo\n> Objet: Lampe\n> À: Al\n>\n> Elle est cassée",
    "Hola\n\n---------- Mensaje reenviado ---------\nDe: Jo\nFecha: 4 sept 2026\nAsunto: Lámpara\nPara: Al\n\nEstá rota",
    "Miren esto\n\nDe: Jo\nEnviado: viernes, 4 de septiembre de 2026\nPara: Al\nAsunto: RV: Lámpara\n\nEstá rota",
    "----- Forwarded by Jo Doe/ACME on 04/09/2026 10:00 -----\n\nFrom: Al\nTo: Jo\nDate: 04/09/2026\nSubject: Lamp\n\nOut",
    "Zur Info\n\nVon: Jo <jo@example.com>\nGesendet: Freitag, 4. September 2026\nAn: Al\nBetreff: Lampe\n\nSie ist kaputt",
    "Please see the mail below, it is all in there.\n\nFrom: Jo\nSent: Friday\nTo: Al\nSubject: Lamp\n\nIt is broken",
    "Ecco\n\nInizio messaggio inoltrato:\n\n> Da: Jo\n> Oggetto: Lampada\n> A: Al\n>\n> È rotta\n>\n> Saluti\n> Jo",
]

H = "From: Shop <a@example.com>\nSent: Monday, 4 May 2026 10:00\nTo: Jo\nSubject: Invoice\n\nPlease pay"
FORWARDED += [
    f"Best regards\nJo Doe\n\n{H}",
    f"-- \nJo Doe\n\n{H}",
    f"Hi, I received this:\n\n{H}",
    f"See my answers in red.\n\n{H}\nRed",
    f"I received the following email.\n\n{H}",
]

OWN_HEADERS = [
    "Please book the room.\n\nFrom: 14:00\nTo: 16:00\nDate: 12 May\nSubject: Mathematics\n\nWe are five.",
    "Mes billets ?\n\nDe : Lyon\nÀ : Nice\nDate : 4 mai\nObjet : deux billets\n\nMerci de les renvoyer",
    "The rule does not save. I enter\n\nFrom: newsletter\nSubject: sale\nTo: archive\n\nand it is empty.",
    "Ship it again.\n\nFrom: Jo, Main St 5, jo@example.com\nTo: Al, Side St 6, al@example.com\nDate: 4 May\n\nWrong label",
    "I need to change my booking:\n\nFrom: Berlin\nDate: 4 May 2026\nTo: Paris\n\nThe new date is 6 May.",
    "My route\nVon: Hamburg\nAn: Köln\nDatum: 4. Mai\n\nBitte umbuchen",
    "Please move it.\nDate: 4 May 2026\nFrom: 10:00\nTo: 12:00\nThank you for your help with this",
    "De : Lyon\nÀ : Nice\nDate : 4 mai\n\nLe billet est faux",
    "The label says\nTo: Jo Doe, Main St 5\nFrom: Acme\n\nbut it came to my neighbour",
]

QUOTED_HEADERS = [
    "Yes.\n\nFrom: Shop <a@example.com>\nSent: Monday, 4 May 2026 10:00\nTo: Jo\nSubject: Lamp\n\nhello",
    "Yes.\n\nFrom: Shop\nTo: Jo\nCc: Al; Bo\nSubject: Lamp\nDate: Mon, 4 May 2026\n\nhello",
    "Yes.\n\nSubject: Lamp\nDate: Mon, 4 May 2026\nTo: Jo\nFrom: Shop\n\nhello",
    "Yes.\n________________________________\nFrom: Shop <a@example.com>\nDate: 4 May 2026\nTo: Jo <b@example.com>\n\nhello",
    "Yes.\n\n*From:* Shop <a@example.com>\n*Sent:* Monday\n*To:* Jo\n*Subject:* Lamp\n\nhello",
    "Yes.\n\nFrom: Shop <a@example.com>\n\nSent: Monday, 4 May 2026\n\nTo: Jo\n\nSubject: Lamp\n\nhello",
    "Yes.\n\nFrom: Shop\nSent: Monday\nTo: J <a@example.com>; Al <b@example.com>;\nBo <c@example.com>\nSubject: L\n\nhello",
    "Yes.\n\nVon: Shop\nGesendet: Montag, 4. Mai 2026 10:00\nAn: Jo\nCc: Al\nBetreff: AW: Lampe\n\nhallo",
    "Yes.\n\nDe : Shop <a@example.com>\nEnvoyé : lundi 4 mai 2026 10:00\nÀ : Jo\nObjet : RE: Lampe\n\nbonjour",
    "Yes.\n\nDe: Shop\nEnviado el: lunes, 4 de mayo de 2026 10:00\nPara: Jo\nAsunto: RE: Lámpara\n\nhola",
    "Yes.\n\nFra: Shop <a@example.com>\nSendt: 4. maj 2026 10:00\nTil: Jo\nEmne: Lampe\n\nhej",
    "Yes.\n\nVan: Shop\nVerzonden: maandag 4 mei 2026 10:00\nAan: Jo\nCC: Al\nOnderwerp: Lamp\n\nhoi",
    "Yes.\n\nDa: Shop <a@example.com>\nInviato: lunedì 4 maggio 2026 10:00\nA: Jo\nOggetto: Lampada\n\nciao",
    "Yes.\n\nSujet : RE: Lampe\nDate : lundi 4 mai 2026\nDe : Shop\nPour : Jo\n\nbonjour",
    "Yes.\n\nFrån: Shop\nSkickat: den 4 maj 2026 10:00\nTill: Jo\nÄmne: Lampa\n\nhej",
    "Yes.\n-----Original Message-----\nFrom: a\nx",
    "Yes.\n\nFrom: Shop <a@example.com>\nSent: Monday\nTo: Jo\nSubject: Lamp\n\nWe look forward to it, see below",
    "Yes.\n\n-------- Ursprüngliche Nachricht --------\nVon: Shop\nhallo",
    "Yes.\n\n From: Shop <a@example.com>\n Sent: Monday\n To: Jo\n Subject: Re: Lamp\n\nHello",
    "Yes.\n\n-------- Oprindelig besked --------\nFra: Shop <a@example.com>\nSendt: 4. maj\nTil: Jo\nEmne: Lampe\n\nhej",
    "Yes.\n\nReply above this line to respond.\n\nWe got it.",
    "Yes.\n\nBitte antworten Sie oberhalb dieser Linie\n\nAlt",
    "Yes.\n\n##- Please type your reply above this line -##\n\nYour request was received.",
]

INTRODUCED = [
    "Blah.\n\nOn Fri, Nov 28, 2025 at 3:57 PM Jo <t@example.com> wrote:\n\n> Test",
    "Blah.\n\nOn Fri, Nov 28, 2025 at 3:57 PM Jo <t@example.com> wrote:\n> Test",
    "Blah.\n\nOn Friday, November 28, 2025 at 03:57:12 PM GMT+1, Jo Doe\n<t@example.com> wrote:\n\nTest",
    "Blah.\n\nOn Fri, Nov 28, 2025 at 3:57 PM Jo Doe via Acme Support <\nt@example.com> wrote:\n\n\n> Test\n>\n> more",
    "Blah.\n\nAm 28.11.2025 um 15:57 schrieb Name <\nmail@example.com>:\n\n> Test",
    "Blah.\n\nAm Fr., 28. Nov. 2025 um 15:57 Uhr schrieb Jo <t@example.com>:\nTest",
    "Blah.\n\nAm 28.11.2025 um 15:57 hat Jo Doe <t@example.com> geschrieben:\n\nTest",
    "Blah.\n\nJo Doe <t@example.com> hat am 28.11.2025 15:57 geschrieben:\n\n> Test",
    "Blah.\n\nLe ven. 28 nov. 2025 à 15:57, Jo <t@example.com> a\nécrit :\n\n> Test",
    "Blah.\n\nEl vie, 28 nov 2025 a las 15:57, Jo (<t@example.com>) escribió:\n\n> Test",
    "Blah.\n\nIl giorno ven 28 nov 2025 alle ore 15:57 Jo <t@example.com> ha\nscritto:\n\n> Test",
    "Blah.\n\nOp vr 28 nov 2025 om 15:57 schreef Jo <t@example.com>:\n\n> Test",
    "Blah.\n\nDen fre. 28. nov. 2025 kl. 15.57 skrev Jo <t@example.com>:\n\n> Test",
    "Blah.\n\nEm sex., 28 de nov. de 2025 às 15:57, Jo <t@example.com> escreveu:\n\n> Test",
    "Blah.\n\npt., 28 lis 2025 o 15:57 Jo <t@example.com> napisał(a):\n\n> Test",
    "Blah.\n\n2025-11-28 15:57 GMT+01:00 Jo <t@example.com>:\n\n> Test",
    "Blah.\n\n> On 28 Nov 2025, at 15:57, Jo <t@example.com> wrote:\n>\n> Test",
    "> a\n> b\n> c\nBlah.",
    "On Fri, Nov 28, 2025 at 3:57 PM Jo <t@example.com> wrote:\n> Test\n\nBlah.",
    "Blah.\n\nOn Mon, 4 May 2026 at 10:00 Shop\n<a@x.com> wrote:\n> Try",
    "Blah.\nAm 4.5.2026 um 10:00 schrieb Shop <a@x.de>:\nhallo",
    "Blah.\n\nLe lun. 4 mai 2026 à 10:00, Shop <s@x.fr> a écrit :\nbonjour",
    "Blah.\nEl lun, 4 may 2026 a las 10:00, Shop escribió:\nhola",
    "Blah.\n\nAm 28.11.2025 um 15:57 schrieb Support:\n> Hallo",
    "Blah.\n\nAm Freitag, 28. November 2025 um 15:57 hat Jo <t@example.com> Folgendes geschrieben:\n\nHallo",
    "Blah.\n\n28 Kas 2025 Cum 15:57 tarihinde Jo <t@example.com> şunu yazdı:\n> Merhaba",
    "Blah.\n\nJo <t@example.com> 于2025年11月28日周五 15:57写道：\n> 你好",
    "Blah.\n\n*On Mon, 4 May 2026 at 10:00, Shop <a@example.com> wrote:*\n\n> Hi",
    "Blah.\n\nWiadomość napisana przez Shop <a@example.com> w dniu 4 maj 2026, o godz. 10:00:\n\n> Hej",
    "Blah.\n\nQuoting Jo <t@example.com>:\n\n> Hello",
    "Blah.\n\n-------- Original Message --------\nOn 28/11/2025 15:57, Jo <t@example.com> wrote:\n\n> old",
]

DIVIDED = [
    "My order:\n--\nLamp\nBulb\nCable",
    "Not working\n--\nCANCEL MY ACCOUNT",
    "Broken\n-- \nJo Doe\n\nPS: I also need a refund",
    "The link is broken\n--\nhttps://example.com/order",
    "Hello\n--\nI want a refund for the lamp, it is broken.",
    "The lamp is broken\n--\nPlease send a new one",
    "My order is late.\n-- \nwhere is it now",
    "First question: the lamp\n---\nSecond question: the bulb",
    "Erste Bestellung fehlt\n--\nDie zweite ist kaputt, bitte ersetzen.",
    "It broke.\n--\nOrder 41155",
]

CLOSED_ABOVE = [
    "Which brands? We have\nSamsung\nLG\nSony",
    "Im Paket fehlten\nToffifee\nMerci\nRaffaello",
    "Czy dostępne?\nTak",
    "The card should read:\nBest wishes\nMum and Dad",
    "My parcel shows:\nSent from my local post office",
    "Hi team,\nthank you.\nMy account is locked\nPlease help",
    "Which TV?\nLG\nScreen stays black",
    "Which TV?\nLG",
    "Welche Marke?\nLG\nBild flackert",
    "Help\nThanks\nOrder 41155",
    "Thanks\nfor nothing, this is the third time that I have to write to you about it",
    "Danke\nMein Konto ist immer noch gesperrt",
    "Best regards\nJo\nP.S. where is my invoice",
    "It broke.\nCheers\nJo\nIs there a refund?",
    "Merci\nLe colis est perdu",
    "a\n--\n" + "and more\n" * 20 + "end",
    "It says: sent from my iPhone\nbut I have none",
    "It broke.\nSent from my old address, can you update it?",
    "Hi\n--\nJo Doe\nMy lamp is broken",
]

QUOTED_SENTENCES = [
    "Terminal output:\n> npm install\n> npm ERR! code 1\n> npm ERR! path\nWhat now?",
    "My mail is not being forwarded:\nit stays in the inbox.",
    'Hello,\n\nOn 4 May 2026 your agent wrote:\n"We will refund you."\n\nI am still waiting',
    'Hello,\n\nOn 4 May 2026 at 10:00 Jo from support wrote:\n"We will refund you."\n\nI am still waiting',
    "Guten Tag,\n\nam 4.5.2026 um 10:00 schrieb Ihr Mitarbeiter:\n„Sie bekommen Ihr Geld.“\n\nIch warte noch",
    "Bonjour,\n\nLe 4 mai 2026 votre agent a écrit :\n« Vous serez remboursé. »\n\nJ'attends toujours",
    "I wrote on 4 May 2026 at 10:00:\nthe lamp is broken\n\nNobody answered",
    "My order is late.\n\nOn 4 May 2026 at 10:15 Mr Smith wrote:\nIt was sent.\n\nBut nothing came",
    "Hi,\n\nIn your mail of 4 May 2026 10:00 you wrote:\n> We will refund you.\n\nWhere is it?",
    "On 4 May 2026 at 10:00 I wrote:\nhello",
    "I need:\n- a lamp\n- a box",
    "> 5 items\nare missing",
    "On Monday I wrote:\nhello",
    "> a\n> b\n> c",
    "Look, the page says:\n> out of stock\nbut I can order it",
]

SIGNED = [
    "\n-- \nJo Doe\nAcme",
    "\n--\nJo",
    "\n-- \nJo Doe\nHead of Sales\nAcme Ltd\nTel.: +1 212 555 0123\nThis mail is confidential.",
    "\n\nSent from my iPhone",
    "\nEnvoyé de mon iPhone",
    "\nVon meinem iPhone gesendet",
    "\nEnviado desde mi iPhone",
    "\nInviato da iPhone",
    "\nVerstuurd vanaf mijn iPhone",
    "\n\nGet Outlook for iOS<https://aka.ms/o0ukef>",
    "\nBest regards,\nJo Doe",
    "\n\nCordialement,\n\nJo",
    "\nMit freundlichen Grüßen\nJo Muster\nMuster GmbH",
    "\nUn saludo",
    "\nThanks,\nJo",
    "\nKind regards\nJo\nSent from my iPhone",
    "\nBest regards\nJo Doe\nTel.: +1 212 555 0123\njo@example.com",
    "\n\nVielen Dank und freundliche Grüße\nJo",
    "\nViele Grüße Jo",
    "\nMet vriendelijke groet,\nJo van der Berg",
]


def embedded(text: str, subject: str = "") -> str:
    return PREPARER.message(text, subject).embedded


@pytest.mark.parametrize("text", [*FORWARDED, *OWN_HEADERS, *DIVIDED, *CLOSED_ABOVE, *QUOTED_SENTENCES])
def test_what_a_customer_wrote_is_embedded_whole(text: str) -> None:
    prepared = PREPARER.message(text)
    assert prepared.embedded == prepared.kept
    assert prepared.cut == ()


@pytest.mark.parametrize("text", QUOTED_HEADERS)
def test_a_mail_below_its_header_is_a_quotation(text: str) -> None:
    assert embedded(text) == "Yes."
    assert (
        embedded(f"I look forward to it, it went dark below 20 %.{text[4:]}")
        == "I look forward to it, it went dark below 20 %."
    )


@pytest.mark.parametrize("text", INTRODUCED)
def test_an_introduction_is_cut_with_the_quotation_it_introduces(text: str) -> None:
    assert embedded(text) == "Blah."
    assert {piece.reason for piece in PREPARER.message(text).cut} == {"quotation"}


@pytest.mark.parametrize("signature", SIGNED)
def test_a_signature_is_cut_off(signature: str) -> None:
    assert embedded("The lamp broke." + signature) == "The lamp broke."
    assert {piece.reason for piece in PREPARER.message("The lamp broke." + signature).cut} == {"signature"}


IPHONE = "Sent from my iPhone\n\nFrom: Shop <a@example.com>\nSent: Monday\nTo: Jo\nSubject: Lamp\n\nIt is broken"


def test_when_nothing_else_remains_everything_is_embedded() -> None:
    for text in (
        "Best regards,\nJo",
        "Hello,\n--\nJo",
        "On Mon, 4 May 2026 10:00 Shop wrote:\n> all of it",
        "Hi\n> a\n> b\n> c",
    ):
        assert embedded(text) == PREPARER.message(text).kept


def test_the_subject_shows_that_a_mail_is_forwarded() -> None:
    text = "Please help.\n\nFrom: Jo\nSent: Friday, 4 May 2026\nTo: Al\nSubject: Lamp\n\nMy lamp is broken"
    assert embedded(text, "Re: Lamp") == "Please help."
    for subject in ("Fwd: Lamp", "FW: Lamp", "WG: Lampe", "TR : Lampe", "RV: Lámpara", "[Acme] Fwd: Lamp"):
        assert embedded(text, subject) == PREPARER.message(text).kept


def test_text_below_a_quotation_is_embedded() -> None:
    text = "No.\n\nOn Mon, 4 May 2026 at 10:00 Shop <a@x.com> wrote:\n> Try\n> again\n\nPS"
    assert embedded(text) == "No.\n\n\nPS"


def test_answers_between_quoted_lines_are_embedded() -> None:
    text = "On 4 May 2026 at 10:00 Shop <a@example.com> wrote:\n> Which?\nThe red one.\n> Which order?\n> a\n> b\n41155"
    assert embedded(text) == "The red one.\n41155"


def test_the_reply_above_a_quoted_forward_is_embedded_alone() -> None:
    text = (
        "No, thanks.\n\nOn 4 May 2026 at 10:00 Shop <a@example.com> wrote:\n"
        "> ---------- Forwarded message ----------\n> From: Jo\n> To: Al"
    )
    assert embedded(text) == "No, thanks."


def test_quotation_and_signature_are_both_cut() -> None:
    text = "It broke.\n\nBest regards\nJo\n\nOn 4 May 2026 at 10:00 Shop <a@example.com> wrote:\n> Hi\n-- \nJo"
    prepared = PREPARER.message(text)
    assert prepared.embedded == "It broke."
    assert [piece.reason for piece in prepared.cut] == ["signature", "quotation", "signature"]
