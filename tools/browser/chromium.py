"""Control Chromium on a page of Home Assistant: find texts, click, type, and take pictures."""

from collections.abc import Callable
from contextlib import suppress
import io
from pathlib import Path
import shutil
import time
from types import TracebackType
from typing import Any, Self

from PIL import Image
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

_SERVICES = ("octoeverywhere.com", "*.octoeverywhere.com", "app.obico.io", "*.app.obico.io")
_SIZE = (1280, 900)
_PHONE = (412, 915)
_TIMEOUT = 30.0  # seconds, for an element to appear
_PAUSE = 0.15
_MARGIN = 24  # pixels around a picture's subject
_RESTLESS = 20  # comparisons of a page that keeps moving
_SHADOW = Path(__file__).with_name("shadow.js").read_text(encoding="utf-8")


class BrowserError(Exception):
    """The page does not show what it should; the text names it."""


def installed() -> bool:
    """Return whether Chromium and its driver are installed."""
    return bool(_binary() and shutil.which("chromedriver"))


def _binary() -> str | None:
    """Return the path of the browser, which has different names."""
    return next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


class Chromium:
    """One headless browser with a new profile, which reaches the services at a relay, and no other host."""

    def __init__(self, profile: Path, relay_port: int) -> None:
        """Start the browser."""
        rules = [*(f"MAP {name}:443 127.0.0.1:{relay_port}" for name in _SERVICES), "MAP * ~NOTFOUND"]
        options = ChromeOptions()
        options.binary_location = _binary() or ""
        for argument in (
            "headless=new",
            "no-sandbox",  # root, as in a container, cannot have a sandbox
            "disable-dev-shm-usage",
            "no-first-run",
            "lang=en-GB",
            "force-color-profile=srgb",
            "force-prefers-reduced-motion",
            f"window-size={_SIZE[0]},{_SIZE[1]}",
            f"user-data-dir={profile}",
            "ignore-certificate-errors",
            f"host-resolver-rules={', '.join(rules)}, EXCLUDE 127.0.0.1",
        ):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.resize(phone=False)

    def __enter__(self) -> Self:
        """Return the running browser."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the browser."""
        with suppress(WebDriverException):
            self.driver.quit()

    def resize(self, *, phone: bool) -> None:
        """Show pages as on a desktop or on a phone."""
        width, height = _PHONE if phone else _SIZE
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, url: str) -> None:
        """Load a page."""
        self.driver.get(url)

    def script(self, code: str, *arguments: object) -> Any:
        """Return the result of JavaScript code, or of its promise; the code may use shadow.js."""
        return self.driver.execute_script(
            f"{_SHADOW}\nreturn (async (...arguments) => {{ {code} }})(...arguments)", *arguments
        )

    def until[FoundT](self, ask: Callable[[], FoundT | None], what: str, seconds: float = _TIMEOUT) -> FoundT:
        """Return the first true result; raises BrowserError with `what` if there is none in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(WebDriverException):  # the page changes at the same time
                if found := ask():
                    return found
            time.sleep(_PAUSE)
        raise BrowserError(f"{what} did not come; the page shows: {' | '.join(self.texts())}")

    def see(self, text: str, seconds: float = _TIMEOUT) -> WebElement:
        """Return the element with this text or label, when it appears."""
        return self.until(lambda: self._find("byText", text), f"“{text}”", seconds)

    def see_part(self, part: str, seconds: float = _TIMEOUT) -> None:
        """Wait until a text on the page contains this part."""
        self.until(lambda: any(part in text for text in self.texts()), f"“{part}”", seconds)

    def element(self, selector: str, seconds: float = _TIMEOUT) -> WebElement:
        """Return the visible element that matches a selector, when it appears."""
        return self.until(lambda: self._find("bySelector", selector), selector, seconds)

    def gone(self, text: str) -> None:
        """Wait until no element has this text or label."""
        self.until(lambda: self._find("byText", text) is None, f"The end of “{text}”")

    def click(self, text: str, *, beside: str | None = None) -> None:
        """Click the element with this text or label, or the one nearest to another text, when nothing covers it."""

        def ask() -> bool:
            element = self._find("byText", text) if beside is None else self._find("beside", beside, text)
            if element is None or not self.script("return reachable(arguments[0])", element):
                return False
            ActionChains(self.driver).move_to_element(element).click().perform()
            return True

        self.until(ask, f"“{text}” to click on")

    def type(self, label: str, text: str) -> None:
        """Put a text into the field with this label."""
        field: WebElement = self.until(lambda: self._find("input", label), f"the field “{label}”")
        field.clear()
        field.send_keys(text)

    def windows(self) -> list[str]:
        """Return the windows, the first one first."""
        return self.driver.window_handles

    def switch(self, number: int) -> None:
        """Switch to another window."""
        self.driver.switch_to.window(self.windows()[number])

    def keep_open(self) -> None:
        """Prevent the next pages in this window from closing it."""
        source = {"source": "window.close = () => {}"}
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)

    def close_tab(self) -> None:
        """Close this window and switch to the first one."""
        self.driver.close()
        self.switch(0)

    def addresses(self) -> list[str]:
        """Return the addresses in this window's history, the current one last."""
        history = self.driver.execute_cdp_cmd("Page.getNavigationHistory", {})
        return [str(entry["url"]) for entry in history["entries"][: history["currentIndex"] + 1]]

    def texts(self) -> list[str]:
        """Return the visible texts of the page."""
        with suppress(WebDriverException):
            return [str(text) for text in self.script("return texts()")]
        return []

    def complaints(self) -> list[str]:
        """Return the errors in the console since the last call."""
        lines = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(line["message"]) for line in lines if line["level"] == "SEVERE"]

    def screen(self) -> bytes:
        """Return a picture of the page, as PNG."""
        return self.driver.get_screenshot_as_png()

    def rest(self) -> None:
        """Wait until the page stops moving, with a limit."""
        before = self.screen()
        for _ in range(_RESTLESS):
            time.sleep(_PAUSE)
            if (now := self.screen()) == before:
                return
            before = now

    def picture(self, path: Path, part: str | None = None) -> None:
        """Save a picture of the page, or of the elements that match a selector with a margin, in 256 colors."""
        image = Image.open(io.BytesIO(self.screen())).convert("RGB")
        if part and (box := self.script("return box(arguments[0])", part)):
            left, top = (max(0, edge - _MARGIN) for edge in box[:2])
            right, bottom = (min(edge + _MARGIN, end) for edge, end in zip(box[2:], image.size, strict=True))
            image = image.crop((left, top, right, bottom))
        image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)

    def _find(self, function: str, *what: str) -> WebElement | None:
        found: WebElement | None = self.script(f"return {function}(...arguments)", *what)
        return found
