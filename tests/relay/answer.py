"""A response before it is sent: services make it, the server sends it."""

from collections.abc import AsyncGenerator, Mapping
import contextlib
from dataclasses import dataclass
import json
from typing import Self

from aiohttp import hdrs
from multidict import CIMultiDict


@dataclass
class Answer:
    """Status, headers, and a body, complete or as a stream."""

    status: int
    headers: CIMultiDict[str]
    body: bytes | AsyncGenerator[bytes] = b""

    async def complete(self) -> None:
        """Wait for the whole body."""
        if not isinstance(self.body, bytes):
            async with contextlib.aclosing(self.body) as chunks:
                self.body = b"".join([chunk async for chunk in chunks])

    @classmethod
    def page(cls, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> Self:
        """Return HTML."""
        return cls._of_type("text/html; charset=utf-8", status, f"<html><body>{text}</body></html>", headers)

    @classmethod
    def json(cls, data: object, status: int = 200) -> Self:
        """Return JSON."""
        return cls._of_type("application/json", status, json.dumps(data), None)

    @classmethod
    def redirect(cls, location: str) -> Self:
        """Return a redirect to exactly this string."""
        return cls.page(302, headers={hdrs.LOCATION: location})

    @classmethod
    def raw(cls, content_type: str, body: bytes) -> Self:
        """Return bytes with a content type."""
        return cls(200, CIMultiDict({hdrs.CONTENT_TYPE: content_type}), body)

    @classmethod
    def _of_type(cls, content_type: str, status: int, text: str, headers: Mapping[str, str] | None) -> Self:
        """Return a string with a content type."""
        return cls(status, CIMultiDict({hdrs.CONTENT_TYPE: content_type, **(headers or {})}), text.encode())
