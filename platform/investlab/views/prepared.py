"""A request that waits for something before its handler sees it, while the server goes on with others."""

import asyncio
from collections.abc import Awaitable, Callable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine


class Prepared(HTTPMessageDelegate):
    """Passes a request on once `prepare` is done; `prepare` raises nothing."""

    def __init__(self, handler: HTTPMessageDelegate, prepare: Callable[[], Awaitable[None]]) -> None:
        self._handler = handler
        self._prepare = prepare
        self._task: asyncio.Task[None] | None = None
        self._is_gone = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Pass the headers on."""
        return self._handler.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass a part of the body on."""
        return self._handler.data_received(chunk)

    def finish(self) -> None:
        """Let the handler answer, once everything is ready."""
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    def on_connection_close(self) -> None:
        """Tell the handler that the asker is gone."""
        self._is_gone = True
        self._handler.on_connection_close()

    async def _go_on(self) -> None:
        await self._prepare()
        if not self._is_gone:
            self._handler.finish()
