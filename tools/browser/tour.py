"""What a person does with the integration, in its order, and what must not be seen on the way."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from tests.octoprint import printing
from tests.relay.record import Service

from ..demo import DOMAIN, ROOT, say
from ..demo.scene import a_print_under_way
from ..demo.stage import Stage
from .chromium import BrowserError, Chromium
from .film import save_film

_TEXTS = ROOT / "custom_components" / DOMAIN / "translations" / "en.json"
NAME = "Demo printer"
FILE = "Boat.gcode"
# The services' pages ask before they lead back: this one's link is its own address, at which the relay then does that.
_ASK = "<title>Stand-in</title><p>May Home Assistant use your printer?</p><a href=''>Allow</a>"
_FILM = ("choose-tunnel", "octoeverywhere-menu", "octoeverywhere-portal", "name", "device", "camera")
"""The pictures of the GIF: add a printer, connect it, and watch a print."""
PROGRESS_TIMEOUT = 60.0  # seconds


def keys(texts: dict[str, Any]) -> Iterator[str]:
    """Yield every key of the translations, which a page shows where it has no text for it."""
    for key, value in texts.items():
        yield key
        if isinstance(value, dict):
            yield from keys(value)


class Tour:
    """One way through all dialogs and pages; anything that is wrong ends it with a BrowserError."""

    def __init__(self, stage: Stage, browser: Chromium, images: Path | None) -> None:
        """Begin in front of the log-in, and save pictures in a folder, if there is one."""
        self._stage = stage
        self._browser = browser
        self._images = images
        self._seen: dict[str, bytes] = {}
        self._keys = set(keys(json.loads(_TEXTS.read_text(encoding="utf-8"))))

    def go(self) -> None:
        """Go all the way."""
        printing.upload(self._stage.octoprint, moves=600, name=FILE)  # OctoPrint reckons how long it will take
        self._log_in()
        self._mistype_a_link()
        self._decline_in_portal()
        self._mistype_a_server()
        self._mistype_an_address()
        self._add_through_octoeverywhere()
        self._connect()
        printing.begin(self._stage.octoprint, FILE)
        self._reconfigure()
        self._open_options()
        self._watch()
        self._meet_repair_issue()
        self._sign_in_again()
        self._remove()
        self._mistype_a_key()
        self._add_through_obico()
        if self._images:
            save_film(self._images / "tour.gif", (self._seen[picture] for picture in _FILM))

    def _log_in(self) -> None:
        """Log in, and make room beside the sidebar."""
        say("logging in")
        self._browser.open(str(self._stage.client.url))
        self._browser.type("Username", self._stage.client.username)
        self._browser.type("Password", self._stage.client.password)
        self._browser.click("Log in")
        self._browser.see("Settings")
        self._browser.script("localStorage.setItem('dockedSidebar', JSON.stringify('auto'))")

    # Adding

    def _mistype_a_link(self) -> None:
        """Paste something else than a completion link, read why not, and close the dialog."""
        say("pasting a link that is none")
        self._begin("OctoEverywhere")
        self._browser.click("Open the portal elsewhere and paste the link")
        self._browser.see("Paste the completion link")
        self._look("octoeverywhere-paste")
        self._browser.type("Completion link", "https://example.com/")
        self._browser.click("Submit")
        self._browser.see_part("This address does not belong to the service.")
        self._look()
        self._close_dialog("Submit")

    def _decline_in_portal(self) -> None:
        """Decline the connection in the portal, read that there is none, and see the menu again."""
        say("declining the connection in the portal")
        self._stage.relay.octoeverywhere.portal.outcome = "denied"
        self._begin("OctoEverywhere")
        button = "Open the portal and come back automatically"
        self._authorize(button, Service.OCTOEVERYWHERE_PORTAL, "/appportal/")
        self._browser.see_part("The connection was not created")
        self._look()
        self._browser.click("Next")
        self._browser.see(button)
        self._stage.relay.octoeverywhere.portal.outcome = "success"
        self._close_dialog(button)

    def _mistype_a_server(self) -> None:
        """Enter something else than the address of an Obico server, read why not, and close the dialog."""
        say("entering a server that is none")
        self._begin("Obico")
        self._browser.click("Use a different server, such as your own")
        self._browser.see("Server address")
        self._look("obico-server")
        self._browser.type("Server address", "ftp://obico.example")
        self._browser.click("Submit")
        self._browser.see_part("This is not a web address.")
        self._look()
        self._browser.type("Server address", "https://app.obico.io")
        self._browser.click("Submit")
        self._browser.click("Open the page elsewhere and paste the endpoint")
        self._browser.see("Paste the tunnel endpoint")
        self._look()
        self._browser.type("Tunnel endpoint", "https://obico.example/")
        self._browser.click("Submit")
        self._browser.see_part("This is not a tunnel endpoint.")
        self._look()
        self._close_dialog("Submit")

    def _mistype_an_address(self) -> None:
        """Enter an address of one's own that is not encrypted, read why not, and close the dialog."""
        say("entering an address that is not encrypted")
        self._begin("Own address")
        self._browser.see("Extra header 1")
        self._look("own-address")
        self._browser.type("Address", "http://printer.example")
        self._browser.click("Submit")
        self._browser.see_part("This address is not encrypted (http).")
        self._look()
        self._close_dialog("Submit")

    def _mistype_a_key(self) -> None:
        """Find OctoPrint off, try again when it is back, enter a wrong key, read why not, and close the dialog."""
        say("adding a printer that is off, and entering a wrong key")
        self._begin("Obico")
        self._stage.relay.fail(Service.OBICO_TUNNEL, 482)
        self._authorize("Open the page and come back automatically", Service.OBICO_SITE, "/tunnels/new/")
        self._browser.see("OctoPrint cannot be reached")
        self._browser.see_part("OctoPrint is not connected to the tunnel's service.")
        self._look()
        self._stage.relay.heal()
        self._browser.click("Submit")
        self._browser.click("Enter a key")
        self._browser.see("Enter the API key")
        self._look()
        self._browser.type("API key", "mistyped")
        self._browser.click("Submit")
        self._browser.see_part("OctoPrint does not accept this API key.")
        self._look()
        self._close_dialog("Submit")

    def _add_through_octoeverywhere(self) -> None:
        """Go through the portal in a second tab, and see that nothing is left of what it put into the address."""
        say("adding the printer through OctoEverywhere's portal")
        self._begin("OctoEverywhere")
        self._look("octoeverywhere-menu")
        self._open_page("Open the portal and come back automatically", Service.OCTOEVERYWHERE_PORTAL, "/appportal/")
        self._browser.switch(0)
        self._look("octoeverywhere-portal")
        self._browser.switch(1)
        self._browser.keep_open()
        self._browser.click("Allow")
        self._browser.see("Done. You can close this window and continue in Home Assistant.")
        self._check_addresses()
        self._browser.close_tab()
        self._name_it("name")

    def _add_through_obico(self) -> None:
        """Go through the authorization page, whose window closes when it is done, and ask OctoPrint for a key."""
        say("adding the printer through Obico, with a key that OctoPrint is asked for")
        self._begin("Obico")
        self._browser.see("Open the page and come back automatically")
        self._look("obico-menu")
        self._authorize("Open the page and come back automatically", Service.OBICO_SITE, "/tunnels/new/")
        self._browser.see("Ask OctoPrint for a key")
        self._look("api-key")
        self._browser.click("Ask OctoPrint for a key")
        self._browser.see_part("OctoPrint now asks whether Home Assistant may have access.")
        self._look("api-key-request")
        self._stage.octoprint.decide_key_request(allow=False)
        self._browser.see("No API key yet")
        self._look()
        self._browser.click("Ask OctoPrint for a key")
        self._browser.see_part("OctoPrint now asks whether Home Assistant may have access.")
        self._stage.octoprint.decide_key_request(allow=True)
        self._name_it(None)
        self._open_device()
        self._browser.see("Tunnel usage cap")
        self._look()

    def _begin(self, service: str) -> None:
        """Open the dialog by its address, as the badge in the README does, and choose a service."""
        self._browser.open(f"{self._stage.client.url}config/integrations/dashboard/add?domain={DOMAIN}")
        self._browser.click("OK")
        self._browser.see("Choose the tunnel")
        self._look("choose-tunnel")
        self._browser.click(service)
        self._browser.gone("Choose the tunnel")

    def _authorize(self, button: str, service: Service, path: str) -> None:
        """Allow everything on a service's page, and see its window close."""
        self._open_page(button, service, path)
        self._browser.switch(1)
        self._browser.click("Allow")
        self._browser.until(lambda: len(self._browser.windows()) == 1, "the end of the service's window")
        self._browser.switch(0)

    def _open_page(self, button: str, service: Service, path: str) -> None:
        """Choose to go to a service's page, which opens in a window of its own."""
        self._stage.relay.fail(service, 200, _ASK, times=1, path=path)
        self._browser.click(button)
        self._browser.until(lambda: len(self._browser.windows()) == 2, "the service's window")

    def _check_addresses(self) -> None:
        """See that neither the address bar nor the history tells what the portal answered."""
        connection = self._stage.relay.octoeverywhere.connections[-1]
        secrets = (connection.app_token, connection.user, connection.password, connection.bearer, connection.id)
        addresses = self._browser.addresses()
        if not addresses[-1].startswith(f"{self._stage.client.url}api/{DOMAIN}/authorize/"):
            raise BrowserError(f"The portal led to {addresses[-1]}")
        if "?" in addresses[-1] or any(secret in " ".join(addresses) for secret in secrets):
            raise BrowserError(f"Credentials stay visible in {addresses}")

    def _name_it(self, picture: str | None) -> None:
        """Leave the printer its name, in no area."""
        self._browser.see("Name and assign", PROGRESS_TIMEOUT)
        self._browser.see("Skip and finish")
        self._look(picture)
        self._browser.click("Skip and finish")
        self._browser.gone("Name and assign")

    # Using

    def _connect(self) -> None:
        """Press Connect on the device's page."""
        say("pressing Connect")
        self._open_device()
        self._browser.see("Offline")
        self._browser.click("Press", beside="Connect")
        self._browser.see("Operational", PROGRESS_TIMEOUT)
        self._browser.see("Tool 1 temperature")
        self._look()
        self._open_device()  # a page that is open has no icons for entities which are new
        self._look("device")

    def _reconfigure(self) -> None:
        """Open the menu of ways to renew the connection, and close it."""
        say("opening the menu to reconfigure")
        self._open_entry()
        self._browser.click("Menu", beside="Configure")
        self._browser.click("Reconfigure")
        self._browser.see("New connection with Obico")
        self._look("reconfigure")
        self._close_dialog("New connection with Obico")

    def _open_options(self) -> None:
        """Change an option."""
        say("changing an option")
        self._open_entry()
        self._browser.click("Configure")
        self._browser.see("Live updates")
        self._look("options")
        self._browser.type("Poll interval", "90")
        self._browser.click("Submit")
        self._browser.see("Options successfully saved.")
        self._look()
        self._browser.click("Finish")
        self._browser.gone("Finish")

    def _watch(self) -> None:
        """Open the camera, and see its picture move."""
        say("watching the webcam")
        self._open_device()
        self._browser.click("Webcam")
        self._browser.element("img[src*='camera_proxy_stream']")
        before = self._browser.screen()
        self._browser.until(lambda: self._browser.screen() != before, "a picture that moves")
        self._stage.relay.webcam.picture = a_print_under_way()
        self._look("camera")

    # Trouble

    def _meet_repair_issue(self) -> None:
        """Read why the tunnel is closed, and see the issue go when it is open again."""
        say("losing the supporter status")
        title = f"{NAME}: OctoEverywhere supporter status has ended"
        connection = self._stage.relay.octoeverywhere.connections[-1]
        connection.supporter = False
        self._read_service()
        self._browser.open(f"{self._stage.client.url}config/repairs")
        self._browser.click(title)
        self._browser.element("a[href*='/appportal/v1/nosupporterperks']")
        self._look("repair-issue")
        connection.supporter = True
        self._browser.open(f"{self._stage.client.url}config/repairs")
        self._browser.see(title)
        self._read_service()
        self._browser.gone(title)
        self._look()

    def _sign_in_again(self) -> None:
        """Renew a connection that was revoked."""
        say("signing in again after the connection was revoked")
        self._stage.relay.octoeverywhere.connections[-1].revoked = True
        self._read_service()
        self._browser.open(f"{self._stage.client.url}config/repairs")
        self._browser.see_part(NAME)
        self._look()
        self._browser.click(f"Authentication expired for {NAME}")
        self._browser.see("Sign in again")
        self._look("reauth")
        self._browser.click("Submit")
        self._browser.see("Open the portal and come back automatically")
        self._look()
        self._authorize("Open the portal and come back automatically", Service.OCTOEVERYWHERE_PORTAL, "/appportal/")
        self._browser.see("Known printer")
        self._look()
        self._browser.click("Replace the connection")
        self._browser.click("Submit")
        self._browser.see_part("Re-authentication was successful")
        self._look()

    def _remove(self) -> None:
        """Remove the printer, to add it again."""
        self._browser.script(
            "const [entry] = await hass().callWS({type: 'config_entries/get', domain: arguments[0]});"
            "return hass().callApi('DELETE', `config/config_entries/entry/${entry.entry_id}`)",
            DOMAIN,
        )

    # The way around

    def _open_device(self) -> None:
        """Open the device's page."""
        find = "return Object.values(hass().devices).find((device) => device.name === arguments[0])?.id"
        device = self._browser.until(lambda: self._browser.script(find, NAME), "the device")
        self._browser.open(f"{self._stage.client.url}config/devices/device/{device}")
        self._browser.see("Tunnel status")

    def _open_entry(self) -> None:
        """Open the integration's page."""
        self._browser.open(f"{self._stage.client.url}config/integrations/integration/{DOMAIN}")
        self._browser.see("Configure")

    def _close_dialog(self, text: str) -> None:
        """Close the dialog that has this text, and wait: one that is left behind keeps others of its entry away."""
        self._browser.click("Close")
        self._browser.gone(text)
        self._browser.rest()

    def _read_service(self) -> None:
        """Let Home Assistant ask the service at once."""
        find = "return Object.keys(hass().states).find((entity) => entity.endsWith('_tunnel_status'))"
        call = "return hass().callService('homeassistant', 'update_entity', {entity_id: arguments[0]})"
        self._browser.script(call, self._browser.script(find))

    def _look(self, picture: str | None = None, *, part: str = "dialog[open]") -> None:
        """See that the page is as it should be, once it is at rest, and take the documentation's picture of it.

        The picture shows the dialog or another part, and the whole page where there is no such part.
        """
        self._browser.rest()
        texts = self._browser.texts()
        raw = [text for text in texts if text in self._keys or DOMAIN in text or re.search(r"\{\w+\}|\[%key", text)]
        if raw:
            raise BrowserError(f"Without a text: {raw}")
        if broken := {"Configuration error", "Entity not found"} & set(texts):
            raise BrowserError(f"A card shows {broken}")
        complaints = [line for line in self._browser.complaints() if DOMAIN in line or "demo_printer" in line]
        # Home Assistant responds with 500 for an image entity without a picture, as of a file without one.
        if ours := [line for line in complaints if "/api/image_proxy/" not in line]:
            raise BrowserError(f"The console complains: {ours}")
        if picture and self._images:
            self._browser.picture(self._images / f"{picture}.png", part)
            self._seen[picture] = self._browser.screen()
