"""Screenshots of error messages on phones, made up for Millrace, and the screen that a phone photographs."""

from benchmarks.drawing.written import Page


def draw_sync() -> Page:
    """A dialogue over an application at night: light on dark."""
    page = Page(390, 780, "#000000", "plain", "#f2f2f7")
    page.write((28, 16), "21:47", 15)
    page.write((332, 16), "38%", 14)
    page.write((24, 70), "Backups", 30)
    for number, (name, state) in enumerate((("Photos", "Waiting"), ("Contacts", "Done"), ("Notes", "Failed"))):
        top = 130 + 62 * number
        page.panel((16, top, 374, top + 52), "#1c1c1e", round_px=10)
        page.write((32, top + 17), name, 16)
        page.write((290, top + 18), state, 14, "#8e8e93")
    page.panel((40, 360, 350, 600), "#2c2c2e", round_px=16)
    page.centred(384, "Backup failed", 19)
    page.centred(424, "Not enough storage. 2.3 GB are", 15, "#d1d1d6")
    page.centred(448, "needed, 0.4 GB are free.", 15, "#d1d1d6")
    page.centred(482, "Error 1019-B", 13, "#8e8e93")
    page.rule(40, 350, 522, "#48484a")
    page.write((84, 546), "Later", 17, "#0a84ff")
    page.write((212, 546), "Free up space", 17, "#0a84ff")
    return page


def draw_french_form() -> Page:
    """A form in French on a phone, with an address and a phone number that are refused."""
    page = Page(412, 800, "#f4faf5", ink="#1b3a2a")
    page.panel((0, 0, 412, 92), "#1e7a46")
    page.write((20, 14), "08:05", 13, "#ffffff")
    page.write((20, 48), "Créer un compte", 22, "#ffffff", "bold")
    page.write((24, 120), "Adresse électronique", 13, "#4a6a58")
    page.panel((24, 142, 388, 186), "#ffffff", "#b3261e", 8)
    page.write((38, 154), "chloe.lefevre@example.fr", 16)
    page.write((24, 194), "Cette adresse est déjà utilisée.", 13, "#b3261e")
    page.write((24, 234), "Numéro de téléphone", 13, "#4a6a58")
    page.panel((24, 256, 388, 300), "#ffffff", "#b3261e", 8)
    page.write((38, 268), "+33 6 12 34 56 78", 16)
    page.write((24, 308), "Numéro non vérifié : code expiré", 13, "#b3261e")
    page.write((24, 348), "Mot de passe", 13, "#4a6a58")
    page.panel((24, 370, 388, 414), "#ffffff", "#8aa796", 8)
    page.panel((24, 470, 388, 556), "#fdecea", round_px=8)
    page.lines((38, 482), ("Une erreur est survenue.", "Référence : FR-20417-É8"), 15, "#8c1d18")
    page.panel((24, 640, 388, 688), "#1e7a46", round_px=24)
    page.centred(654, "Réessayer plus tard", 16, "#ffffff")
    page.centred(716, "Besoin d'aide ? Où trouver mon code ?", 13, "#1e7a46")
    return page


def draw_laptop() -> Page:
    """What is on the screen that a phone photographs: an application that lost its connection."""
    page = Page(1080, 680, "#e9edf2")
    page.panel((0, 0, 1080, 44), "#243447")
    page.write((24, 12), "Warehouse Manager 8.2", 18, "#ffffff")
    page.write((30, 70), "Inbound deliveries", 20, "#243447", "bold")
    page.panel((240, 160, 840, 500), "#ffffff", "#243447", 8)
    page.panel((240, 160, 840, 204), "#b42318", round_px=8)
    page.write((262, 172), "Connection lost", 18, "#ffffff", "bold")
    page.lines(
        (270, 236),
        (
            "The database server db-04 does not answer.",
            "Your last 3 entries were not saved.",
            "Contact the help desk and give this code:",
        ),
        19,
    )
    page.write((270, 348), "WMS-1205-TIMEOUT", 26, face="mono_bold")
    page.button((300, 424), "Retry now", "#243447", "#ffffff", 18)
    page.button((560, 424), "Work offline", "#d0d7de", "#243447", 18)
    page.write((30, 640), "User: m.keller@example.com", 16, "#57606a")
    return page
