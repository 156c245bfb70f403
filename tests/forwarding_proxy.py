"""A forwarding proxy on this machine, and the only one who knows the way to the hosts of a test.

Rule: it forwards as an office's proxy does, by absolute addresses and by CONNECT, and counts what it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Self
from urllib.parse import urlsplit


class ForwardingProxy:
    """Forwards to `way`, a port of this machine for each host by name; a host that it does not know gets a 502.

    `asked` counts the requests, as "GET slack.test" or "CONNECT slack.com:443", and `upgraded` those of them
    that became websockets. Each connection carries one.
    """

    def __init__(self) -> None:
        self.way: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.upgraded: Counter[str] = Counter()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._forward(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # one side went away
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host = parts.hostname or ""
        name = f"{method} {target if method == 'CONNECT' else host}"
        self.asked[name] += 1
        if host not in self.way:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        there, onward = await asyncio.open_connection("127.0.0.1", self.way[host])
        self._writers.add(onward)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            websocket = "\r\nupgrade: websocket\r\n" in head.lower()
            self.upgraded.update([name] * websocket)
            path = parts._replace(scheme="", netloc="").geturl()
            rest = head.partition("\r\n")[2]
            close = "" if websocket else "Connection: close\r\n"
            onward.write(f"{method} {path} HTTP/1.1\r\n{close}{rest}".encode("latin-1"))
        try:
            await asyncio.gather(_pump(reader, onward), _pump(there, writer))
        finally:
            self._writers.discard(onward)
            onward.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
