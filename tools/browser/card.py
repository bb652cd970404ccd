"""The dashboard card as it looks in two languages, light and dark, on a desktop and on a phone."""

from dataclasses import dataclass
import json
from typing import Any, Final

from ..demo import DOMAIN, ROOT
from .chromium import Chromium

TAG: Final = "octoprint-tunnel-card"
PATH: Final = "a-printer/printer"


@dataclass(frozen=True, kw_only=True)
class Look:
    """One way to look at Home Assistant."""

    name: str
    language: str
    dark: bool
    phone: bool


LOOKS: Final = (
    Look(name="card", language="en", dark=False, phone=False),
    Look(name="card-dark", language="en", dark=True, phone=False),
    Look(name="card-german", language="de", dark=False, phone=True),
    Look(name="card-german-dark", language="de", dark=True, phone=True),
)


def texts(language: str) -> dict[str, Any]:
    """Return the names of the entities in a language, by platform and key."""
    file = ROOT / "custom_components" / DOMAIN / "translations" / f"{language}.json"
    entities: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["entity"]
    return entities


def create_dashboard(browser: Chromium) -> None:
    """Create a dashboard with the card, for the first printer."""
    create = "return hass().callWS({type: 'lovelace/dashboards/create', url_path: 'a-printer', title: 'Printer'})"
    browser.script(create)
    card = {"type": f"custom:{TAG}"}
    sections = [{"type": "grid", "cards": [card]}]
    views = [{"type": "sections", "title": "Printer", "path": "printer", "sections": sections}]
    save = "return hass().callWS({type: 'lovelace/config/save', url_path: 'a-printer', config: arguments[0]})"
    browser.script(save, {"views": views})


def open_card(browser: Chromium, url: str, look: Look) -> None:
    """Open the dashboard as a user with these settings."""
    browser.script(
        "await hass().callWS({type: 'frontend/set_user_data', key: 'language', value: arguments[0]});"
        "localStorage.setItem('selectedTheme', JSON.stringify({dark: arguments[1]}));"
        "localStorage.setItem('selectedLanguage', JSON.stringify(arguments[2]));",
        {"language": look.language, "number_format": "language", "time_format": "language"},
        look.dark,
        look.language,
    )
    browser.resize(phone=look.phone)
    browser.open(f"{url}{PATH}")
    browser.element(TAG)
