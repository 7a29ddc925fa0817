"""Which ways are there from a bot to Salesforce?

`ThroughService` is what the product does: four JSON calls. `Direct` is the floor to
compare with: a bot that speaks the Chat REST API to the simulator itself.
"""

import asyncio
import itertools
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

API_VERSION = "52"
IDS = {
    "organizationId": "00D000000000001",
    "deploymentId": "572000000000001",
    "buttonId": "573000000000001",
}


class Way(Protocol):
    """What a bot can do for one customer."""

    async def open(self, line_id: str) -> bool:
        """Open a chat; False when that did not work."""

    async def receive(self, line_id: str) -> list[str]:
        """Wait for words; what came, perhaps nothing. Raises EOFError at the end."""

    async def send(self, line_id: str, text: str) -> bool:
        """Send words; False when that did not work."""


class ThroughService:
    """Bots that call the service.

    Where there are two servers, a chat is opened by the one, which polls it from then
    on, and all other calls for it go to the other one.
    """

    def __init__(self, urls: list[str], http: aiohttp.ClientSession) -> None:
        self._openers = itertools.cycle(urls)
        self._others = {url: urls[n - 1] for n, url in enumerate(urls)}
        self._homes: dict[str, str] = {}
        self._http = http

    async def open(self, line_id: str) -> bool:
        """POST /init."""
        opener = next(self._openers)
        self._homes[line_id] = self._others[opener]
        answer = await self._post("init", opener, line_id=line_id, display_name="花子")
        return bool(answer.get("type") == "ok")

    async def receive(self, line_id: str) -> list[str]:
        """POST /messages."""
        answer = await self._post("messages", self._homes[line_id], line_id=line_id)
        if answer.get("type") == "end":
            raise EOFError
        if answer.get("type") == "bad":
            raise OSError(answer)
        return [answer["message"]] if answer.get("type") == "message" else []

    async def send(self, line_id: str, text: str) -> bool:
        """POST /send."""
        home = self._homes[line_id]
        answer = await self._post("send", home, line_id=line_id, message=text)
        return bool(answer.get("type") == "send")

    async def close(self, line_id: str) -> None:
        """POST /close."""
        await self._post("close", self._homes[line_id], line_id=line_id)

    async def _post(self, path: str, url: str, **body: str) -> dict[str, Any]:
        async with self._http.post(f"{url}/{path}", json=body) as answer:
            found: dict[str, Any] = await answer.json()
            return found


@dataclass
class _Chat:
    headers: dict[str, str]
    ack: int = -1
    sequence: int = 1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Direct:
    """Bots that call the simulator."""

    def __init__(
        self, url: str, http: aiohttp.ClientSession, tls: ssl.SSLContext | bool
    ) -> None:
        self._url = f"{url}/chat/rest"
        self._http = http
        self._tls = tls
        self._chats: dict[str, _Chat] = {}

    async def open(self, line_id: str) -> bool:
        """SessionId and ChasitorInit, then poll until the request is taken."""
        headers = {
            "X-LIVEAGENT-API-VERSION": API_VERSION,
            "X-LIVEAGENT-AFFINITY": "null",
        }
        session = await self._call("GET", "System/SessionId", headers)
        headers["X-LIVEAGENT-AFFINITY"] = session["affinityToken"]
        headers["X-LIVEAGENT-SESSION-KEY"] = session["key"]
        detail = {"label": "ContactLineId", "value": line_id, "displayToAgent": True}
        body = {
            **IDS,
            "sessionId": session["id"],
            "visitorName": "花子",
            "userAgent": "benchmark",
            "language": "ja",
            "screenResolution": "N/A",
            "prechatDetails": [{**detail, "transcriptFields": []}],
            "prechatEntities": [],
            "receiveQueueUpdates": True,
            "isPost": True,
        }
        numbered = {**headers, "X-LIVEAGENT-SEQUENCE": "1"}
        await self._call("POST", "Chasitor/ChasitorInit", numbered, body)
        self._chats[line_id] = _Chat(headers)
        await self.receive(line_id)
        return True

    async def receive(self, line_id: str) -> list[str]:
        """GET System/Messages."""
        chat = self._chats[line_id]
        path = f"System/Messages?ack={chat.ack}"
        batch = await self._call("GET", path, chat.headers)
        if not batch:
            return []
        chat.ack = batch["sequence"]
        events = batch["messages"]
        return [e["message"]["text"] for e in events if e["type"] == "ChatMessage"]

    async def send(self, line_id: str, text: str) -> bool:
        """POST Chasitor/ChatMessage, one at a time."""
        chat = self._chats[line_id]
        async with chat.lock:
            chat.sequence += 1
            headers = {**chat.headers, "X-LIVEAGENT-SEQUENCE": str(chat.sequence)}
            await self._call("POST", "Chasitor/ChatMessage", headers, {"text": text})
        return True

    async def _call(
        self, method: str, path: str, headers: dict[str, str], body: Any = None
    ) -> Any:
        async with self._http.request(
            method, f"{self._url}/{path}", headers=headers, json=body, ssl=self._tls
        ) as answer:
            if answer.status == 204:
                return None
            if answer.status >= 300:
                raise OSError(f"{path} answered {answer.status}")
            return await answer.json() if method == "GET" else None
