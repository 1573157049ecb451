"""Screenshots of error messages on computers, made up for Millrace: each function draws one page."""

from benchmarks.drawing.written import Page


def draw_browser() -> Page:
    """A browser that could not reach a shop."""
    page = Page(1000, 600, "#ffffff", "plain", "#202124")
    page.panel((0, 0, 1000, 40), "#dee1e6")
    page.panel((12, 8, 240, 40), "#ffffff", round_px=8)
    page.write((28, 16), "shop.example.com", 13)
    page.panel((80, 46, 960, 74), "#f1f3f4", round_px=14)
    page.write((100, 52), "https://shop.example.com/checkout?step=3", 14, "#5f6368")
    page.disc((236, 168), 26, "#9aa0a6")
    page.write((210, 216), "This site can't be reached", 26)
    page.write((210, 264), "shop.example.com refused to connect.", 16, "#5f6368")
    page.write((210, 304), "Try:", 16, "#5f6368")
    page.write((236, 332), "Checking the connection", 15, "#5f6368")
    page.write((236, 358), "Checking the proxy and the firewall", 15, "#1a73e8")
    page.write((210, 406), "ERR_CONNECTION_REFUSED", 13, "#5f6368")
    right = page.button((210, 456), "Reload", "#1a73e8", "#ffffff", 14)
    page.button((right + 330, 456), "Details", "#e8eaed", "#1a73e8", 14)
    return page


def draw_terminal() -> Page:
    """A terminal with a stack trace, light on dark."""
    page = Page(980, 500, "#0d1117", "mono", "#c9d1d9")
    page.panel((0, 0, 980, 28), "#161b22")
    page.write((16, 6), "worker@stage-2: ~/exporter", 13, "#8b949e")
    page.write((16, 44), "$ python -m exporter --since 2026-10-01 --limit 500", 14, "#7ee787")
    trace = (
        "Traceback (most recent call last):",
        '  File "/srv/exporter/__main__.py", line 88, in <module>',
        "    main(arguments.since, arguments.limit)",
        '  File "/srv/exporter/invoices.py", line 214, in main',
        "    for invoice in fetch_invoices(session, since):",
        '  File "/srv/exporter/client.py", line 57, in fetch_invoices',
        "    response.raise_for_status()",
    )
    below = page.lines((16, 78), trace, 14)
    page.write(
        (16, below), "requests.exceptions.HTTPError: 403 Client Error: Forbidden for url:", 14, "#ff7b72", "mono_bold"
    )
    page.write((16, below + 22), "https://api.example.net/v2/invoices?page=7", 14, "#ff7b72")
    page.write((16, below + 60), "[2026-10-28 08:14:09] exit code 1 after 12.4 s", 14, "#8b949e")
    page.write((16, below + 94), "$", 14, "#7ee787")
    return page


def draw_payment() -> Page:
    """The form of a payment that was declined, with personal data."""
    page = Page(720, 660, "#f6f8fa")
    page.panel((60, 36, 660, 620), "#ffffff", "#d0d7de", 10)
    page.write((92, 60), "Payment details", 24, face="bold")
    page.panel((92, 108, 628, 158), "#ffebe9", "#ff8182", 6)
    page.write((108, 122), "Your card was declined. Error code PAY-4031.", 15, "#a40e26")
    fields = (
        ("Name on card", "Anna Berg"),
        ("Card number", "4111 1111 1111 1111"),
        ("E-mail address", "anna.berg@example.com"),
        ("Phone", "+1 202-555-0143"),
    )
    for number, (name, value) in enumerate(fields):
        top = 182 + 84 * number
        page.write((92, top), name, 13, "#57606a")
        page.panel((92, top + 22, 628, top + 62), "#ffffff", "#8c959f", 6)
        page.write((106, top + 32), value, 16)
    page.write((92, 532), "Total: 248.90 EUR", 16, face="bold")
    page.button((452, 552), "Pay again", "#1f883d", "#ffffff", 15)
    return page


def draw_french_dialogue() -> Page:
    """A dialogue in French: a file could not be saved."""
    page = Page(760, 420, "#3a6ea5", ink="#101010")
    page.panel((90, 70, 670, 350), "#f3f3f3", "#808080", 6)
    page.panel((91, 71, 669, 106), "#ffffff", round_px=6)
    page.write((108, 80), "Échec de l'enregistrement", 15)
    page.disc((136, 160), 22, "#c42b1c")
    below = page.lines(
        (180, 130),
        (
            "Impossible d'enregistrer le fichier « relevé_août.xlsx ».",
            "L'accès au dossier partagé a été refusé par le serveur.",
            "Vérifiez que vous êtes connecté au réseau, puis réessayez.",
        ),
        16,
    )
    page.write((180, below + 10), "Code d'erreur : 0x80070005 (ACCÈS REFUSÉ)", 14, "#5a5a5a")
    page.button((330, 296), "Réessayer", "#0067c0", "#ffffff", 14)
    page.button((500, 296), "Annuler", "#e1e1e1", "#101010", 14)
    return page


def draw_kiosk() -> Page:
    """The blue screen of a kiosk that stopped."""
    page = Page(900, 540, "#0a4fa3", ink="#ffffff")
    page.write((80, 50), ":(", 72)
    below = page.lines(
        (80, 166),
        ("This terminal ran into a problem and must restart.", "Please call the staff if it does not come back."),
        21,
    )
    page.write((80, below + 24), "74% complete", 21)
    page.lines(
        (80, below + 96),
        ("Stop code: DRIVER_IRQL_NOT_LESS_OR_EQUAL", "What failed: scanner64.sys (0x80070057)", "Terminal 17, Hall B"),
        15,
    )
    return page


def draw_table() -> Page:
    """A table of orders in the back office of a shop."""
    page = Page(1100, 460, "#ffffff")
    page.write((30, 20), "Orders with failed export", 20, face="bold")
    columns = (30, 190, 330, 560, 800, 940)
    page.panel((20, 64, 1080, 96), "#eaeef2")
    for left, name in zip(columns, ("Order", "Date", "Customer", "Reason", "Amount", "Retries"), strict=True):
        page.write((left, 72), name, 13, "#57606a", "bold")
    orders = (
        ("ORD-2048811", "2026-10-27", "Nordwind Logistics", "Address unknown", "1,204.50", "3"),
        ("ORD-2048813", "2026-10-27", "Café Étoile", "Timeout (504)", "86.00", "5"),
        ("ORD-2048847", "2026-10-28", "m.ortega@example.org", "VAT id missing", "310.25", "1"),
        ("ORD-2048902", "2026-10-28", "Quillfeather Books", "Stock mismatch", "42.99", "2"),
        ("ORD-2048915", "2026-10-28", "Hartmann & Sons", "Duplicate SKU", "999.00", "4"),
    )
    for number, row in enumerate(orders):
        top = 110 + 46 * number
        for left, value in zip(columns, row, strict=True):
            page.write((left, top), value, 14, "#cf222e" if left == columns[3] else "")
        page.rule(20, 1080, top + 34, "#d8dee4")
    page.write((30, 360), "5 of 1,318 orders shown", 13, "#57606a")
    page.write((30, 400), "Export job EXP-77 stopped: too many failures", 15, "#cf222e")
    return page


def draw_mail() -> Page:
    """A mail that came back, in small print."""
    page = Page(900, 470, "#ffffff", "plain", "#24292f")
    page.panel((0, 0, 900, 34), "#0f6cbd")
    page.write((16, 9), "Mail", 13, "#ffffff")
    page.write((24, 52), "Undeliverable: Return of order 55-20931", 18)
    page.lines(
        (24, 90),
        (
            "From: postmaster@mail.example.com",
            "To: support.team@example.net",
            "Sent: Wednesday, 28 October 2026 09:41",
        ),
        11,
        "#57606a",
    )
    page.rule(24, 876, 150, "#d0d7de")
    page.lines(
        (24, 164),
        (
            "Delivery has failed to these recipients or groups:",
            "",
            "jean.dupont@example.fr",
            "The mailbox of the recipient is full and cannot accept messages now. Please try again later,",
            "or contact the recipient directly by phone.",
            "",
            "Diagnostic information for administrators:",
            "Generating server: mx07.example.com",
            "#550 5.2.2 MailboxFull; the size limit of 50 GB has been exceeded",
            "Original message id: <a81f-22c9@mail.example.com>",
        ),
        11,
    )
    return page


def draw_setup() -> Page:
    """A grey dialogue of an old installer."""
    page = Page(540, 300, "#008080", ink="#000000")
    page.panel((30, 30, 510, 270), "#c0c0c0", "#404040")
    page.panel((33, 33, 507, 54), "#000080")
    page.write((40, 36), "Printer Setup - Error", 12, "#ffffff", "bold")
    page.disc((66, 100), 15, "#ff0000")
    page.lines(
        (96, 78),
        (
            "Setup could not install the driver LX-300.",
            "The parameter is incorrect. (0x80070057)",
            "",
            "Log file: C:\\Temp\\setup_0412.log",
        ),
        12,
    )
    page.panel((140, 222, 230, 246), "#c0c0c0", "#000000")
    page.write((168, 226), "Retry", 12)
    page.panel((300, 222, 390, 246), "#c0c0c0", "#000000")
    page.write((322, 226), "Cancel", 12)
    return page


def draw_gateway() -> Page:
    """The page of a proxy whose server does not answer: serif, pale, with a banner."""
    page = Page(860, 480, "#fbf7ef", "serif", "#8a8172")
    page.centred(70, "502 Bad Gateway", 34, face="serif_bold")
    page.rule(180, 680, 130, "#d8d0c0")
    page.centred(150, "The server returned an invalid or incomplete response.", 16)
    page.centred(186, "Request id 7f3c-91ab-04de at 14:22:37 UTC", 14)
    page.centred(220, "edge-proxy/1.27", 13)
    page.panel((0, 380, 860, 480), "#3b3630")
    page.write((30, 398), "We use cookies to remember your basket.", 15, "#d9d2c4")
    page.write((30, 430), "Read our privacy notice for details.", 13, "#d9d2c4")
    page.button((640, 404), "Accept all", "#d9d2c4", "#3b3630", 15)
    return page
