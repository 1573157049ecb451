"""The words of numbers, addresses and hesitations, in English and French. It holds tables and no rules.

Every segment is read with both; its language decides only about words that mean different things.
"""

from dataclasses import dataclass, replace


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, in lower case.

    Attributes:
        digits: Words for 0 to 9, each with its digit.
        teens: Words for 10 to 19, each with its number.
        tens: Words for 20 to 90, each with its number.
        hundreds: Words for a hundred.
        thousands: Words for a thousand.
        times: Words that repeat the next digit, each with a count.
        repeats: Words between a count and the digit it repeats, as in `deux fois zéro`.
        fillers: Words that may be said between the digits of one number.
    """

    digits: dict[str, str]
    teens: dict[str, str]
    tens: dict[str, str]
    hundreds: frozenset[str]
    thousands: frozenset[str]
    times: dict[str, str]
    repeats: frozenset[str]
    fillers: frozenset[str]


HESITATIONS = _set("uh um er erm uhm uhh umm hm hmm mm mhm ah eh ehm euh heu hum ben bah hein")
COMMON_FILLERS = HESITATIONS | _set("huh ok okay dash hyphen tiret slash space")

ENGLISH = Words(
    digits=_pairs(
        "zero=0 oh=0 o=0 nought=0 naught=0 aught=0 nil=0 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8"
        " nine=9 niner=9 fife=5"
    ),
    teens=_pairs(
        "ten=10 eleven=11 twelve=12 thirteen=13 fourteen=14 fifteen=15 sixteen=16 seventeen=17 eighteen=18 nineteen=19"
    ),
    tens=_pairs("twenty=20 thirty=30 forty=40 fourty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90"),
    hundreds=_set("hundred"),
    thousands=_set("thousand"),
    times=_pairs("double=2 triple=3 treble=3 quadruple=4"),
    repeats=frozenset(),
    fillers=COMMON_FILLERS
    | _set(
        "and then so well yes yeah yep yup right sure go on ahead got it that's that it's like next the again"
        " please alright good great perfect cool see fine now thanks thank you rest is was wait hang"
        " let me actually sorry no wrong rather correction repeat lovely brilliant carry"
    ),
)

FRENCH = Words(
    digits=_pairs("zéro=0 zero=0 zéros=0 un=1 une=1 deux=2 trois=3 quatre=4 cinq=5 six=6 sept=7 huit=8 neuf=9 o=0"),
    teens=_pairs("dix=10 onze=11 douze=12 treize=13 quatorze=14 quinze=15 seize=16"),
    tens=_pairs(
        "vingt=20 vingts=20 trente=30 quarante=40 cinquante=50 soixante=60 septante=70 huitante=80 octante=80"
        " nonante=90"
    ),
    hundreds=_set("cent cents"),
    thousands=_set("mille milles"),
    times=_pairs("double=2 triple=3"),
    repeats=_set("fois"),
    fillers=COMMON_FILLERS
    | _set(
        "et puis ensuite alors donc oui ouais voilà bon bien très d' accord c' est le la après allez vas je j'"
        " note vous écoute parfait merci suite espace enfin ça ok pardon attendez s' il plaît super exactement là"
        " c'est ouais noté de nouveau encore continuez poursuivez entendu non plutôt répète"
    ),
)


BOTH = Words(
    digits=ENGLISH.digits | FRENCH.digits,
    teens=ENGLISH.teens | FRENCH.teens,
    tens=ENGLISH.tens | FRENCH.tens,
    hundreds=ENGLISH.hundreds | FRENCH.hundreds,
    thousands=ENGLISH.thousands | FRENCH.thousands,
    times=ENGLISH.times | FRENCH.times,
    repeats=ENGLISH.repeats | FRENCH.repeats,
    fillers=ENGLISH.fillers | FRENCH.fillers,
)
BOTH_BUT_CENTS = replace(BOTH, hundreds=ENGLISH.hundreds)
"""The words for segments that are marked as English, in which `cent` is a coin. A segment in any other language is read
with the words of both, because a recogniser is often wrong about a short segment, and people mix languages."""


JOINTS = _set("and et")
"""Words inside a number: `three hundred and twenty`, `vingt et un`."""

SHORT_WAITS = _set("moment moments second seconds sec minute minutes instant instants seconde secondes petit petite")
"""Words after `one` or `un` that ask somebody to wait; this `one` is not a digit."""

UNITS = _set(
    "dollars dollar bucks euros euro pounds pound quid cents centimes pence percent pour am pm o'clock heure"
    " heures h minutes seconds hours days weeks months years jours semaines mois ans années kilos kilo kg"
    " grams grammes metres meters mètres mètre inches feet miles km people persons personnes times pieces"
    " pièces items articles boxes grand degrees degrés million millions milliard milliards billion"
)
"""Words after a number that show that it is a quantity."""

PHONE_CUES = _set(
    "phone telephone tel mobile cell cellphone landline reach dial ring text call whatsapp sms fax callback"
    " contact téléphone telephone portable fixe mobile joindre rappeler rappelez rappelle appeler appelez"
    " appelle contacter téléphoner joignable joignez contactez composez composer téléphonez texto gsm natel reachable"
    " hotline helpline voicemail ligne indicatif area"
)
NUMBER_CUES = _set("number numbers numéro numero numéros nombre num n°")
CARD_CUES = _set("card visa mastercard amex american credit debit carte bleue cb bancaire maestro")
IBAN_CUES = _set("iban rib ibans")
MAIL_CUES = _set(
    "email e-mail emails mail mails address courriel adresse gmail mél write send écrire envoyer envoyez écrivez"
)
MORE_THINGS = _set(
    "compte siret siren zip postal postcode version vol flight room chambre password passcode pin puk lottery"
    " loto score abonné abonnement adhérent modèle pedido années years colis suivi devis réservation"
    " patent isbn channel channels canal barcode ean serial police sinistre expédition livraison"
    " retour return docket voucher coupon badge membership loyalty fidélité pièce reading meter relevé compteur index"
    " produit promo plate registration immatriculation vat tva"
    " flyer routing prescription warranty permit subscription ordonnance garantie mandat bordereau billet chèque cheque"
    " adhésion affilié décodeur modem imei vin pnr guichet agence train gate employee group"
)
"""Words for a thing that has a number, besides those of `shared/text/ordinary.py`."""

STRICT_THINGS = _set(
    "case part form item code key request error size views product payment delivery transfer account member"
    " customer client model article transaction form build length device session version years années score"
    " room train gate employee group agence guichet billet permit"
)
"""Words of things that are also said without a number: they count only right before the number or `number is`."""

SURE_THINGS = _set("reference référence tracking suivi serial série confirmation imei isbn barcode vin pnr")
"""Words of things that have no phone number: alone they say as surely as `order number` what follows."""

NEUTRAL = (
    ENGLISH.fillers
    | FRENCH.fillers
    | _set(
        "number numbers numéro numero is was are it's it its est c'est c' the a my your our their this that"
        " that's yes yeah yep oui ok okay sure so here ici le la les l' mon ma votre de du d' des on for you they"
        " gave me you'd have has i it'd alors donc voici voilà m' a donné avez j' ai je et and of no id ref"
        " reference starts begins commence par with says reads were be should would"
        " shows written printed vois vu lis lit écrit indique affiche marqué était étaient serait"
    )
)
"""Words that may be said between a thing and its number."""

ASIDES = tuple(
    tuple(phrase.split())
    for phrase in (
        "followed by,suivi de,suivi par,all one word,all lowercase,all lower case,all in lowercase,all together"
        ",all small,one word,no spaces,no space,no dots,lower case,lowercase,in lowercase"
        ",tout attaché,tout en minuscules,tout en minuscule,en minuscules,en un seul mot,tout en un seul mot"
        ",en minuscule,tout en un mot,en un mot,sans espace,sans espaces,sans accent,sans accents,sans majuscule"
        ",tout collé,attaché,majuscule,en majuscule,minuscule,capital,upper case,uppercase,in capitals"
        ",my first name,my last name,my name,mon nom,mon prénom,nom de famille"
    ).split(",")
)
"""Remarks about how an address is written, said between its parts. A longer one stands before those it begins with."""

DOTS = _set("dot point period")
AT_WORDS = _set("at arobase arobaz arobas arrobase arrobas arobaze @")
TLDS = _set(
    "com org net edu gov info io eu co uk us ca au de at ch fr be nl es it pt pl se no dk fi in br biz me app"
    " dev tv ai xyz online shop store lu mc re nc ie nz za quebec paris tech cloud email asso gouv bzh gal eus"
    " cat alsace corsica site blog"
)
UNLIKELY_TLDS = _set("in at no it us me so be is re de es app store shop email online paris tech info")
"""Ends of domains that are also words: after `point` they count only behind a sign that no sentence has."""

PROVIDERS = _set(
    "gmail hotmail icloud protonmail gmx yahoo laposte wanadoo googlemail aol live outlook msn ymail fastmail"
)
ARTICLES = frozenset(("the", "le", "la", "les", "l'"))
OWNERS = frozenset(("my", "our", "mon", "ma", "notre"))
NOT_OWNED = frozenset(("first", "last", "own", "old"))
OWNED_TLDS = frozenset(("com", "org", "net", "fr"))
"""First words and ends of domains such as `mon entreprise point com`."""

SURE_TLDS = frozenset(("com", "org", "net"))
"""Ends of domains with which no sentence begins, as in `jo at example. Com`."""

ROLES = frozenset(("info", "contact", "sales", "admin", "webmaster", "accounts", "comptabilité"))
"""Names of addresses that do not belong to a person."""

CONNECTORS = _set("dot point underscore underline dash hyphen tiret plus period . - _ +")
NOT_LOCAL = _set(
    "look looks looked looking us me it them him her available online website site page pages shop store"
    " visit visited find found here there is are was were be and or but the a to you that this not only even"
    " right anyone someone work working works arrive arrived arrives stay stayed buy bought start started"
    " shopping ordered order meet stop not one yes no oui non moi toi lui elle nous vous eux suis est sommes"
    " sont disponible client cliente commandé acheté achetée vu trouvé trouvée l' d' le la les un une sur et"
    " ou mais aussi pas abonné abonnée site boutique magasin"
    " up in on out logged signed sale status form server deals listed hosted saw seen formulaire prix avis"
)
"""Words that are not the name of an address if they alone are said before `at` or `chez`."""

STOP = (
    NOT_LOCAL
    | HESITATIONS
    | _set(
        "my your our his their it's its he's she's that's to at on in for with of from so then well if i can"
        " could would will please email e-mail mail address write send sent contact reach emailed mon ma votre"
        " notre son sa adresse courriel c'est c' j' je m' n' s' t' qu' est à au aux en de du des pour par avec"
        " dans écrire écrivez envoyez envoyer écris envoie alors donc puis voilà then okay ok yeah sure name"
        " called use using try s'il chez mél mails emails do did does has have ai as ils elles il on we they where"
        " when how what who comme personnel perso professionnel personal pro"
    )
)
"""Words that end the name of an address, read backwards."""

FUNCTION_WORDS = _set(
    "moi toi lui elle nous vous eux le la les un une mon ma mes son sa ses notre votre leur des du ce cette"
    " l' the this that some one what which any no a an my your our their his her least first last all"
)
"""Words that are not the first word of a domain, unless the name shows an address."""

NATO = {
    word: word[0]
    for word in (
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november"
        " oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu"
    ).split()
}
LIKE = _set("as like for comme pour")
IBAN_COUNTRIES = frozenset(
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FO FR GB GE GI GL GR GT HR HU IE"
    " IL IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MR MT MU NI NL NO PK PL PS PT QA RO RS RU SA SC SD"
    " SE SI SK SM SO ST SV TL"
    " TN TR UA VA VG XK".split()
)
EXTENSIONS = _set("extension ext poste")
