"""A real OctoPrint of a chosen version on a free loopback port, with the bundled virtual printer."""

import atexit
from collections.abc import Mapping
import contextlib
from http.client import HTTPException
from http.cookiejar import CookieJar
import json
import os
from pathlib import Path
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from .config import LIMITED_USERNAME, USERNAME, write_basedir

_DEV = Path(__file__).parents[2] / ".dev"
_LAUNCH = Path(__file__).with_name("launch.py")
_START_TIMEOUT = 90.0
# OctoPrint stops in 0.3 s, or sometimes, if a printer was connected, waits for a thread that never ends.
_STOP_TIMEOUT = 2.0
_REQUEST_TIMEOUT = 30.0
# The variables that OctoPrint inherits, without those about Python and proxies.
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class OctoPrintError(Exception):
    """OctoPrint did not start, or refused a request that the tests need."""


class OctoPrintServer:
    """One OctoPrint, which can be started and stopped many times.

    Base directory and port stay the same between `stop` and `start`, and so do keys and identity.
    Leaving the context, or `close`, ends it and removes the base directory.
    """

    username = USERNAME

    def __init__(self, version: str, *, config: Mapping[str, Any] | None = None) -> None:
        """Prepare an OctoPrint of this version ("1.11", "2.0"); `config` is merged into the default config.yaml."""
        self.version = version
        self.password = secrets.token_hex(16)
        self.uuid = ""
        self.api_key = ""
        self.limited_api_key = ""
        self.basedir = Path(tempfile.mkdtemp(prefix=f"octoprint-{version}-"))
        write_basedir(self.basedir, self.password, config or {})
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @classmethod
    def installed(cls, version: str) -> bool:
        """Return whether this version is installed."""
        return _python(version).exists()

    @property
    def url(self) -> str:
        """Return the address, without a trailing slash."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Return whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it responds; raises OctoPrintError with the end of its log."""
        if self.running:
            return
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment["HOME"] = str(self.basedir)
        command = [str(_python(self.version)), "-I", str(_LAUNCH), "serve", "--iknowwhatimdoing"]
        options = ["--basedir", str(self.basedir), "--host", "127.0.0.1", "--port", str(self._port)]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
                # A process group of its own, so that Ctrl-C does not end it, and stop() ends all of its children.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(time.monotonic() + _START_TIMEOUT)
            if not self.api_key:
                self._make_keys()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End OctoPrint and everything it started."""
        if (process := self._process) is None:
            return
        self._process = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin:
            process.stdin.close()

    def restart(self) -> None:
        """Stop and start on the same port with the same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the base directory."""
        self.stop()
        shutil.rmtree(self.basedir, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop and clean up."""
        self.close()

    def decide_key_request(self, allow: bool, *, timeout: float = 10.0) -> str:
        """Allow or deny all pending requests for application keys, as the logged-in user, and return an app's name.

        Waits up to timeout seconds for a request to come in; raises OctoPrintError when none does.
        """
        user = _Client(self.url)
        user.log_in(self.username, self.password)
        deadline = time.monotonic() + timeout
        while not (pending := user.call("GET", "/api/plugin/appkeys")["pending"]):
            if time.monotonic() > deadline:
                raise OctoPrintError("No application key request is pending")
            time.sleep(0.05)
        # A request that was abandoned stays for some seconds; to decide it too is harmless.
        for token in pending:
            user.call("POST", f"/plugin/appkeys/decision/{token}", {"decision": allow})
        return str(next(iter(pending.values()))["app_id"])

    def request(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send a request to OctoPrint directly, without a tunnel, and return status and body."""
        key = self.api_key if api_key is None else api_key
        return _Client(self.url).request(method, path, data, {"X-Api-Key": key, **(headers or {})})

    def send(self, method: str, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Send another kind of body to OctoPrint directly, and return status and body."""
        headers = {"X-Api-Key": self.api_key, "Content-Type": content_type}
        return _Client(self.url).request(method, path, body, headers)

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines that OctoPrint printed."""
        if not self._output.exists():
            return ""
        return "\n".join(self._output.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _output(self) -> Path:
        """Return the file with the process's output."""
        return self.basedir / "output.txt"

    def _wait_until_ready(self, deadline: float) -> None:
        """Wait for the discovery document, which is served last and carries the identity."""
        client = _Client(self.url)
        while time.monotonic() < deadline:
            if not self.running:
                raise OctoPrintError(f"OctoPrint {self.version} ended while starting\n{self.log_tail()}")
            with contextlib.suppress(OSError, HTTPException):  # during the first second there is no HTTP server
                status, body = client.request("GET", "/plugin/discovery/discovery.xml")
                if status == 200 and (match := re.search(r"<UDN>uuid:([^<]+)</UDN>", body.decode())):
                    self.uuid = match[1]
                    return
            time.sleep(0.1)
        raise OctoPrintError(f"OctoPrint {self.version} does not answer\n{self.log_tail()}")

    def _make_keys(self) -> None:
        """Make an application key of the owner and one of the user who may only read."""
        owner = _Client(self.url)
        owner.log_in(self.username, self.password)
        keys = {
            user: owner.call("POST", "/api/plugin/appkeys", {"command": "generate", "app": "tests", "user": user})
            for user in (USERNAME, LIMITED_USERNAME)
        }
        self.api_key = keys[USERNAME]["api_key"]
        self.limited_api_key = keys[LIMITED_USERNAME]["api_key"]


class _Client:
    """A browser on OctoPrint: cookies, and the CSRF token that they require."""

    def __init__(self, url: str) -> None:
        """Start without cookies."""
        self._url = url
        self._cookies = CookieJar()
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies))

    def log_in(self, username: str, password: str) -> None:
        """Log in."""
        self.request("GET", "/api/version")
        if not any(cookie.name.startswith("csrf_token") for cookie in self._cookies):
            self.request("GET", "/login/")
        self.call("POST", "/api/login", {"user": username, "pass": password})

    def call(self, method: str, path: str, data: object = None) -> Any:
        """Return the JSON of a successful response; raises OctoPrintError otherwise."""
        status, body = self.request(method, path, data)
        if status >= 300:
            raise OctoPrintError(f"{method} {path} answered {status}: {body.decode(errors='replace')[:500]}")
        return json.loads(body) if body else None

    def request(
        self, method: str, path: str, data: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body, also of an error."""
        request = Request(self._url + path, method=method, headers=dict(headers or {}))  # noqa: S310 - own address
        if isinstance(data, bytes):
            request.data = data
        elif data is not None:
            request.data = json.dumps(data).encode()
            request.add_header("Content-Type", "application/json")
        for cookie in self._cookies:
            if cookie.name.startswith("csrf_token"):
                request.add_header("X-CSRF-Token", cookie.value or "")
        try:
            with self._opener.open(request, timeout=_REQUEST_TIMEOUT) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()


def _python(version: str) -> Path:
    """Return the interpreter that has this version of OctoPrint."""
    return _DEV / f"octoprint-{version}" / "bin" / "python"


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
