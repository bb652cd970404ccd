"""What a person does with the dashboard card, in two languages, light and dark, on a desktop and on a phone."""

from dataclasses import dataclass
import json
from typing import Any, Final, override

from tests.octoprint import printing

from ..demo import DOMAIN, ROOT, say
from ..demo.scene import a_print_under_way, the_model
from .chromium import BrowserError
from .tour import FILE, NAME, PROGRESS_TIMEOUT, Tour

_TAG: Final = "octoprint-tunnel-card"
_TYPE: Final = f"custom:{_TAG}"
_DASHBOARD: Final = "a-printer"
_FIND = "return [...elements()].find((one) => one.matches('.overlay') && one.config?.type === arguments[0])"
_OBSERVE = """
const card = bySelector(arguments[0]);
const observer = new MutationObserver(() => {});
observer.observe(card.shadowRoot, { subtree: true, childList: true, characterData: true, attributes: true });
const shown = hass();
card.hass = { ...shown, states: { ...shown.states, "sun.sun": { ...shown.states["sun.sun"], state: "a new state" } } };
return observer.takeRecords().length;
"""
_SUGGEST = """
const [entity] = Object.values(hass().entities).filter((entity) => entity.platform === arguments[1]);
return window.customCards.find((card) => card.type === arguments[0]).getEntitySuggestion(hass(), entity.entity_id);
"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One way to look at Home Assistant."""

    name: str
    language: str
    dark: bool
    phone: bool


_LOOKS: Final = (
    Look(name="card-german-dark", language="de", dark=True, phone=True),
    Look(name="card-german", language="de", dark=False, phone=True),
    Look(name="card-dark", language="en", dark=True, phone=False),
    Look(name="card", language="en", dark=False, phone=False),
)
_PICTURES = {"card", "card-german-dark"}
_SHOWN = (("button", "pause"), ("button", "cancel"), ("sensor", "bed_actual_temperature"))


class CardTour(Tour):
    """Add the card in the picker, and use it during a print; anything that is wrong ends it with a BrowserError."""

    @override
    def go(self) -> None:
        """Go all the way."""
        printing.store(self._stage.octoprint, printing.with_pictures(printing.gcode(900), the_model()), FILE)
        self._log_in()
        self._add_through_octoeverywhere()
        printing.connect(self._stage.octoprint)
        self._stage.relay.webcam.picture = a_print_under_way()
        self._add_card()
        printing.begin(self._stage.octoprint, FILE)
        self._browser.see(FILE)
        if self._images:  # which are nicer with something to show
            self._wait_for_progress(30)
        for look in _LOOKS:
            self._see(look)
        self._ignore_others()
        self._print()
        self._lose_connection()
        self._lose_octoprint()

    def _add_card(self) -> None:
        """Find the card in the picker, keep the printer that is suggested, and save."""
        say("adding the card to a dashboard")
        create = "return hass().callWS({type: 'lovelace/dashboards/create', url_path: arguments[0], title: 'Printer'})"
        self._browser.script(create, _DASHBOARD)
        views = [{"type": "sections", "title": "Printer", "sections": [{"type": "grid", "cards": []}]}]
        save = "return hass().callWS({type: 'lovelace/config/save', url_path: arguments[0], config: arguments[1]})"
        self._browser.script(save, _DASHBOARD, {"views": views})
        self._browser.open(f"{self._stage.client.url}{_DASHBOARD}/0?edit=1")
        self._browser.click("Add card")
        self._browser.click("By card")
        self._browser.see("OctoPrint Tunnel")
        overlay = self._browser.until(lambda: self._browser.script(_FIND, _TYPE), "the card in the picker")
        self._browser.script("arguments[0].click()", overlay)
        self._browser.see("Device")
        self._browser.see("Camera")
        self._browser.element("img[src*='camera_proxy']")  # whose arrival moves the buttons of the dialog
        self._look()
        self._press_in_preview()
        self._browser.click("Save")
        self._browser.click("Done")
        self._browser.element(_TAG)
        device = self._browser.script(
            "return Object.values(hass().devices).find((one) => one.name === arguments[0]).id", NAME
        )
        if (suggestion := self._browser.script(_SUGGEST, _TAG, DOMAIN)) != {
            "config": {"type": _TYPE, "device_id": device}
        }:
            raise BrowserError(f"The picker gets {suggestion} for an entity of the printer")

    def _press_in_preview(self) -> None:
        """See that a printer is left alone while the dashboard is edited."""
        self._browser.click(self._name("button", "disconnect"))
        self._browser.rest()
        if "Are you sure?" in self._browser.texts():
            raise BrowserError("The buttons work while the card is edited")

    def _see(self, look: Look) -> None:
        """See that the card has every text in the language of its user."""
        say(f"looking at {look.name}")
        self._browser.script(
            "await hass().callWS({type: 'frontend/set_user_data', key: 'language', value: arguments[0]});"
            "localStorage.setItem('selectedTheme', JSON.stringify({dark: arguments[1]}));"
            "localStorage.setItem('selectedLanguage', JSON.stringify(arguments[2]));",
            {"language": look.language, "number_format": "language", "time_format": "language"},
            look.dark,
            look.language,
        )
        self._browser.resize(phone=look.phone)
        self._browser.open(f"{self._stage.client.url}{_DASHBOARD}/0")
        for platform, key in _SHOWN:
            self._browser.see(self._name(platform, key, look.language))
        self._browser.see(FILE)
        self._browser.element("hui-image")
        self._browser.element("img[src*='camera_proxy']")
        self._browser.element("img.model[src*='image_proxy']")
        self._look(look.name if look.name in _PICTURES else None, part=_TAG)

    def _ignore_others(self) -> None:
        """See that the card stays as it is when other entities change."""
        if changes := self._browser.script(_OBSERVE, _TAG):
            raise BrowserError(f"The card changed {changes} times with an entity of others")

    def _print(self) -> None:
        """Pause the print, decide not to cancel it, and cancel it."""
        say("pausing and canceling the print")
        cancel = self._name("button", "cancel")
        self._browser.click(self._name("button", "pause"))
        self._browser.see(self._name("button", "resume"))
        self._browser.click(cancel)
        self._browser.see("Are you sure?")
        self._look()
        self._browser.click("No")
        self._browser.gone("Are you sure?")
        self._browser.see(self._name("button", "resume"))
        self._press_and_confirm(cancel)
        self._browser.see_part("Operational")
        self._browser.gone(FILE)
        self._browser.see(self._name("button", "print_again"))

    def _lose_connection(self) -> None:
        """Disconnect the printer, and connect it again: there is a button for one of them."""
        say("disconnecting and connecting")
        connect, disconnect = self._name("button", "connect"), self._name("button", "disconnect")
        self._browser.gone(connect)
        self._press_and_confirm(disconnect)
        self._browser.see(connect)
        self._browser.gone(disconnect)
        self._look()
        self._browser.click(connect)
        self._browser.see(disconnect)
        self._browser.gone(connect)

    def _lose_octoprint(self) -> None:
        """Read why nothing is known of the printer."""
        say("losing OctoPrint")
        self._stage.relay.printer.online = False
        self._read_service()
        self._browser.see(f"{self._name('sensor', 'tunnel_status')}: OctoPrint offline")
        self._browser.see("Unavailable")
        self._browser.gone(self._name("button", "disconnect"))
        self._look()

    def _wait_for_progress(self, percent: float) -> None:
        """Wait until so much is printed."""
        find = "return Object.keys(hass().states).find((entity) => entity.endsWith('_print_progress'))"
        state = "return Number(hass().states[arguments[0]].state)"
        entity = self._browser.script(find)
        self._browser.until(
            lambda: self._browser.script(state, entity) >= percent, f"{percent} % of the print", PROGRESS_TIMEOUT
        )

    def _press_and_confirm(self, button: str) -> None:
        self._browser.click(button)
        self._browser.see("Are you sure?")
        self._browser.rest()
        self._browser.click(button)  # the one of the dialog, which has the same name
        self._browser.gone("Are you sure?")

    def _name(self, platform: str, key: str, language: str = "en") -> str:
        """Return the name of an entity in a language."""
        file = ROOT / "custom_components" / DOMAIN / "translations" / f"{language}.json"
        texts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return str(texts["entity"][platform][key]["name"])
