"""Real proxies before a real OctoPrint: nginx and HAProxy, configured as OctoPrint's documentation and OctoPi do.

`scripts/setup` installs them. OctoPrint is under a path, over https with the certificate of the tests' authority.
"""

import atexit
from collections.abc import Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import shutil
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Self

from .octoprint.server import free_port
from .relay.certificates import certificate_file

KINDS = ("nginx", "haproxy")
PATH = "/octoprint"
LOGIN = "https://team.cloudflareaccess.example/cdn-cgi/access/login"
_UNPACKED = Path(__file__).parents[1] / ".dev" / "proxies" / "usr" / "sbin"
_START_TIMEOUT = 10.0  # seconds
_STOP_TIMEOUT = 5.0

_NGINX = """\
{user}
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    map_hash_bucket_size 512;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    map "{presented}" $may_enter {{
        default 0;
        "{expected}" 1;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        {auth}
        if ($may_enter = 0) {{ return 302 {login}; }}
        location {path}/ {{
            proxy_pass {octoprint}/;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Scheme $scheme;
            proxy_set_header X-Script-Name {path};
            proxy_http_version 1.1;
            client_max_body_size {limit};
        }}
        location /webcam/ {{ proxy_pass {webcam}/; }}
    }}
}}
"""

_HAPROXY = """\
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    timeout tunnel 1h
{users}
frontend public
    bind 127.0.0.1:{port} ssl crt {certificate}
    option forwardfor except 127.0.0.1
    {rules}
    use_backend webcam if {{ path_beg /webcam/ }}
    use_backend octoprint if {{ path_beg {path}/ }}
    http-request return status 404 content-type text/html string "Nothing here" unless {{ path_beg {path}/ /webcam/ }}
backend octoprint
    http-request set-header X-Script-Name {path}
    http-request set-header X-Scheme https
    http-request replace-path {path}/(.*) /\\1
    server octoprint1 {octoprint_host}
backend webcam
    http-request replace-path /webcam/(.*) /\\1
    http-request set-header Host {webcam_host}
    server webcam1 {webcam_host}
"""


def program(kind: str) -> str | None:
    """Return the path of a proxy that is installed."""
    unpacked = _UNPACKED / kind
    return str(unpacked) if unpacked.exists() else shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin")


@dataclass(kw_only=True)
class Proxy:
    """One proxy, which can be started and stopped many times at the same port."""

    kind: str
    octoprint: str
    """The address of OctoPrint, and that of its webcam, without a trailing slash."""
    webcam: str = "http://127.0.0.1:9"
    login: tuple[str, str] | None = None
    """User and password that are demanded as Basic, if any."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers that are demanded of every request, as Cloudflare Access demands those of a service token."""
    limit: str = "0"
    """The largest body of a request, of nginx: 0 is unlimited."""
    port: int = field(default_factory=free_port)
    certificate: Path = field(default_factory=certificate_file)
    _folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="proxy-")))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address of OctoPrint behind the proxy."""
        return f"https://127.0.0.1:{self.port}{PATH}"

    @property
    def form(self) -> dict[str, object]:
        """Return what the user enters."""
        user, password = self.login or ("", "")
        lines = (f"{name}: {value}" for name, value in self.headers.items())
        headers = {f"header_{number}": line for number, line in enumerate(lines, 1)}
        login = {"username": user, "password": password} if self.login else {}
        return {"address": self.url, **login, **headers, "verify_ssl": True}

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        config = self._folder / "proxy.conf"
        config.write_text(self._nginx() if self.kind == "nginx" else self._haproxy())
        options = (
            ["-c", str(config), "-p", str(self._folder), "-e", "stderr"]
            if self.kind == "nginx"
            else ["-db", "-f", str(config)]
        )
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen([str(program(self.kind)), *options], stdout=log, stderr=log)
        log.close()
        atexit.register(self.stop)
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError((self._folder / "log").read_text())

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_TIMEOUT)
            self._process = None
            atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it, and remove its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _nginx(self) -> str:
        auth = ""
        if self.login:
            users = self._folder / "users"
            users.write_text("{}:{{PLAIN}}{}\n".format(*self.login))
            auth = f'auth_basic "OctoPrint"; auth_basic_user_file {users};'
        variables = (f"$http_{name.lower().replace('-', '_')}" for name in self.headers)
        return _NGINX.format(
            user="user root root;" if os.geteuid() == 0 else "",
            folder=self._folder,
            port=self.port,
            certificate=self.certificate,
            auth=auth,
            presented=" ".join(variables) or "-",
            expected=" ".join(self.headers.values()) or "-",
            login=LOGIN,
            path=PATH,
            octoprint=self.octoprint,
            webcam=self.webcam,
            limit=self.limit,
        )

    def _haproxy(self) -> str:
        users, rules = "", []
        if self.headers:
            conditions = (f"{{ req.hdr({name}) -m str {value} }}" for name, value in self.headers.items())
            rules.append(f"http-request redirect location {LOGIN} code 302 unless {' '.join(conditions)}")
        if self.login:
            users = "userlist people\n    user {} insecure-password {}".format(*self.login)
            rules.append("http-request auth realm OctoPrint unless { http_auth(people) }")
        return _HAPROXY.format(
            users=users,
            port=self.port,
            certificate=self.certificate,
            rules="\n    ".join(rules),
            path=PATH,
            octoprint_host=self.octoprint.partition("://")[2],
            webcam_host=self.webcam.partition("://")[2],
        )
