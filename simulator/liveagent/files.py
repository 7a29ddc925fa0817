"""Does a file that the customer uploads arrive?

At Salesforce this is another host, without the headers of the Chat REST API.
The agent asks with a FileTransfer event of type Requested (send it with the
control API's ``events``); its fileToken is good for one upload. The answer is
200 either way: its text tells ``Success`` from ``Failure``.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_request import FileField

from simulator.answers import text_answer
from simulator.liveagent import events
from simulator.liveagent.chat import Chat
from simulator.liveagent.org import Org
from simulator.strikes import response

PATH = "/services/liveagent/file"


class Uploads:
    """The upload servlet."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Take the servlet's path."""
        router.add_post(PATH, self.upload)

    async def upload(self, request: web.Request) -> web.Response:
        """Take a file, and tell the customer's side what became of it."""
        chat = self._org.chat(request.query.get("chatKey", ""))
        token = request.query.get("fileToken", "")
        if chat is None or chat.is_over or token not in chat.file_tokens:
            return response(text_answer(200, "Failure"))
        chat.file_tokens.discard(token)
        outcome = "Success" if await _has_file(request) else "Failure"
        _tell(chat, outcome)
        return response(text_answer(200, outcome))


async def _has_file(request: web.Request) -> bool:
    part = (await request.post()).get("file")
    return isinstance(part, FileField) and bool(part.file.read(1))


def _tell(chat: Chat, outcome: str) -> None:
    chat.put_events([events.event("FileTransfer", type=outcome)])
