"""Real prints on the virtual printer, from files that only take time."""

from base64 import b64encode
from collections.abc import Callable
import io
import json
import time
from typing import Any
from urllib.parse import quote

from PIL import Image

from .server import OctoPrintServer

NAME = "part.gcode"


def gcode(moves: int, *, bed: int = 60) -> bytes:
    """Return a print that heats the bed without waiting, and then takes 0.1 s for each move."""
    lines = [f"M140 S{bed}", "M104 S200"]
    for move in range(moves):
        lines += [f"G1 X{move % 100} Y{move % 70} F3000", "G4 P100"]
    return "\n".join([*lines, "M104 S0", "M140 S0", ""]).encode()


def with_pictures(data: bytes, *pictures: bytes) -> bytes:
    """Return a print with these pictures as comments before it, as slicers write them."""
    lines = []
    for picture in pictures:
        width, height = Image.open(io.BytesIO(picture)).size
        text = b64encode(picture).decode()
        lines.append(f"; thumbnail begin {width}x{height} {len(text)}")
        lines += [f"; {text[at : at + 78]}" for at in range(0, len(text), 78)]
        lines.append("; thumbnail end")
    return "\n".join([*lines, ""]).encode() + data


def connect(server: OctoPrintServer) -> None:
    """Connect the printer, and wait until it is connected."""
    server.request("POST", "/api/connection", {"command": "connect"})
    wait_for(server, "Operational")


def make_folder(server: OctoPrintServer, name: str) -> None:
    """Create a folder in OctoPrint's storage."""
    form = f'--x\r\nContent-Disposition: form-data; name="foldername"\r\n\r\n{name}\r\n--x--\r\n'
    status, answer = server.send("POST", "/api/files/local", form.encode(), "multipart/form-data; boundary=x")
    assert status in (201, 409), answer


def upload(server: OctoPrintServer, moves: int, name: str = NAME, folder: str = "") -> None:
    """Upload a print into OctoPrint's storage."""
    store(server, gcode(moves), name, folder)


def store(server: OctoPrintServer, data: bytes, name: str = NAME, folder: str = "") -> str:
    """Upload a file into OctoPrint's storage, and return its path there."""
    boundary = "part-of-a-form"
    body = b"".join(
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n{folder}\r\n'.encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(),
            b"Content-Type: application/octet-stream\r\n\r\n",
            data,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    status, answer = server.send("POST", "/api/files/local", body, f"multipart/form-data; boundary={boundary}")
    assert status == 201, answer
    path: str = json.loads(answer)["files"]["local"]["path"]
    return path


def start(server: OctoPrintServer, moves: int = 600, name: str = NAME) -> None:
    """Upload a print and start it; the printer must be connected."""
    upload(server, moves, name)
    begin(server, name)


def begin(server: OctoPrintServer, name: str) -> None:
    """Start a print that is in OctoPrint's storage."""
    status, answer = server.request("POST", f"/api/files/local/{quote(name)}", {"command": "select", "print": True})
    assert status == 204, answer


def command(server: OctoPrintServer, *lines: str) -> None:
    """Send lines to the printer, also `!!DEBUG:…` for the virtual one."""
    status, answer = server.request("POST", "/api/printer/command", {"commands": list(lines)})
    assert status == 204, answer


def wait_for(server: OctoPrintServer, state_text: str) -> None:
    """Wait until the printer is in this state."""
    _wait_for(server, lambda job: job["state"] == state_text, state_text)


def wait_until_done(server: OctoPrintServer) -> None:
    """Wait until the print is done."""
    _wait_for(server, lambda job: job["state"] == "Operational" and job["progress"]["completion"] == 100, "done")


def _wait_for(server: OctoPrintServer, found: Callable[[dict[str, Any]], bool], what: str) -> None:
    for _ in range(300):
        if found(json.loads(server.request("GET", "/api/job")[1])):
            return
        time.sleep(0.1)
    raise AssertionError(f"The printer did not become {what}")
