"""An address of the local network that can change hands: new connections lead elsewhere, open ones stay."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress


class Gate:
    """A port that passes each connection on to the port that is set when it opens."""

    def __init__(self, port: int) -> None:
        """Lead to a port of this machine."""
        self.port = port
        self.url = ""
        self.opened = 0
        """How many connections were opened so far, those of WebSockets included."""
        self._kept: set[asyncio.StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int) -> AsyncGenerator[Gate]:
        """Listen on a port of its own."""
        gate = cls(port)
        server = await asyncio.start_server(gate._serve, "127.0.0.1", 0)
        gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield gate
        server.close()
        server.close_clients()
        await server.wait_closed()

    async def close_kept(self) -> None:
        """Close the connections that are kept alive between requests, but no WebSocket."""
        for writer in self._kept:
            writer.close()
        await asyncio.sleep(0.05)  # until the other end has seen it

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._kept.add(writer)
        there, back = await asyncio.open_connection("127.0.0.1", self.port)

        def follow(data: bytes) -> None:
            if b"upgrade: websocket" in data.lower():
                self._kept.discard(writer)

        await asyncio.gather(_pass_on(reader, back, follow), _pass_on(there, writer))
        self._kept.discard(writer)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, follow: Callable[[bytes], object] = bytes
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            follow(data)
            writer.write(data)
            await writer.drain()
    writer.close()
