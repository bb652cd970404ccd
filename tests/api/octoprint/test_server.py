"""The instance, and the user of a key."""

from pathlib import Path

import pytest

from custom_components.octoprint_tunnel.api.errors import InvalidResponse
from custom_components.octoprint_tunnel.api.json_object import JsonObject
from custom_components.octoprint_tunnel.api.octoprint.server import ADMIN, CONNECTION, STATUS, Instance, User

RECORDED = Path(__file__).parents[2] / "octoprint" / "recorded"
UUID = "4fc1b2a8-1c0f-4d0c-9d5e-6a2f3b7c8d90"


def discovery(udn: str = f"uuid:{UUID}", name: str = 'OctoPrint instance "Kitchen"') -> bytes:
    """Return the part of a discovery document that is read."""
    return f"<root><device><friendlyName>{name}</friendlyName><UDN>{udn}</UDN></device></root>".encode()


@pytest.mark.parametrize("version", ["1.11", "2.0"])
def test_a_recorded_discovery_document_is_read(version: str) -> None:
    """With the id and the owner's name."""
    instance = Instance.from_xml((RECORDED / f"discovery_{version}.xml").read_bytes())
    assert instance == Instance(uuid=UUID, name="Test printer")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("OctoPrint instance &#34;Tom &amp; Jerry&#34;", "Tom & Jerry"),
        ("OctoPrint instance &quot;&lt;b&gt;&quot;", "(b)"),
        ('OctoPrint instance "K\u00fcche"', "K\u00fcche"),
        ('\n  OctoPrint instance "Kitchen"\n', "Kitchen"),
        ("OctoPrint instance on octopi", None),
        ('OctoPrint instance ""', None),
        ("", None),
        ("Something else", None),
        ("x" * 100_000, None),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_only_the_owners_name_is_read(text: str, name: str | None) -> None:
    """The default text names the machine."""
    assert Instance.from_xml(discovery(name=text)) == Instance(uuid=UUID, name=name)


@pytest.mark.parametrize("udn", [f"uuid:{UUID.upper()}", f" uuid:{UUID} ", f"\n uuid:{UUID}\n"])
def test_an_id_reads_the_same_however_it_is_written(udn: str) -> None:
    """It identifies the printer."""
    assert Instance.from_xml(discovery(udn)).uuid == UUID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>OctoPrint is starting</body></html>",
        b"<root><device></device></root>",
        discovery(""),
        discovery("uuid:"),
        discovery("uuid:../../etc/passwd"),
        discovery(f"uuid:{UUID}{UUID}"),
        discovery("&id;") + b'<!DOCTYPE r [<!ENTITY id "uuid:00000000-0000-0000-0000-000000000000">]>',
        b"\xff\xfe\x00",
        bytes(100_000),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_document_without_an_id_is_invalid(body: bytes) -> None:
    """XML entities are not expanded."""
    with pytest.raises(InvalidResponse, match="no UDN"):
        Instance.from_xml(body)


@pytest.mark.parametrize("version", ["1.11", "2.0"])
@pytest.mark.parametrize(
    ("key", "name", "lacking"),
    [("good", "owner", ()), ("limited", "viewer", (CONNECTION,)), ("bad", None, (STATUS, CONNECTION))],
)
def test_a_recorded_user_is_read(version: str, key: str, name: str | None, lacking: tuple[str, ...]) -> None:
    """For an unknown key OctoPrint returns a guest without a name."""
    user = User.from_json(JsonObject.parse((RECORDED / f"currentuser_{version}_{key}_key.json").read_bytes()))
    assert (user.name, user.is_known) == (name, name is not None)
    assert user.lacks(STATUS, CONNECTION) == lacking


def test_an_administrator_lacks_nothing() -> None:
    """It has all permissions, also those that are not listed."""
    assert User(name="owner", permissions=frozenset({ADMIN})).lacks(STATUS, CONNECTION, "NEW") == ()
    assert User(name="owner", permissions=frozenset({STATUS})).lacks(STATUS, CONNECTION, "NEW") == (CONNECTION, "NEW")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"name": null, "permissions": null}',
        b'{"name": "", "permissions": {}}',
        b'{"name": 7, "permissions": [null, 7]}',
    ],
)
def test_a_user_without_a_name_is_unknown(body: bytes) -> None:
    """And has no permissions."""
    assert User.from_json(JsonObject.parse(body)) == User(name=None, permissions=frozenset())
