"""The simulator of Salesforce, and the agent at its other side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from simulator.processes import SIMULATOR, Server
from tests.harness.environment import service_environment
from tests.harness.waiting import until

Json = dict[str, Any]

# Of a chat's breaches, these can be told to no chat: a bare call to the server.
BREACHES_WITHOUT_CHAT = ("missing_header", "unknown_path", "wrong_method", "bad_json")


class Simulator:
    """The simulator's process."""

    def __init__(self, log: Path, *arguments: str) -> None:
        command = (*SIMULATOR, "--port", "0", *arguments)
        self.server = Server(command, service_environment(), log)

    @property
    def url(self) -> str:
        """Where it listens, as it says itself; empty before that."""
        for line in self.server.text().splitlines():
            if line.startswith("simulator: http"):
                return line.removeprefix("simulator: ").strip()
        return ""

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.server.start()
        until(lambda: self.url or not self.server.alive, "the simulator listens")
        assert self.server.alive, self.server.text()

    def stop(self) -> None:
        """End it."""
        self.server.kill()


class Salesforce:
    """The control side of a simulator."""

    def __init__(self, url: str, *, verify: bool | str = True) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = verify

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Call the control API and return its JSON."""
        url = f"{self.url}/simulator/{path}"
        response = self._http.request(method, url, timeout=60, **options)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def chats(self, line_id: str | None = None) -> list["Chat"]:
        """Return the chats, oldest first."""
        query = {"line_id": line_id} if line_id else {}
        found = self.call("GET", "chats", params=query)
        return [Chat(self, chat["id"]) for chat in found]

    def open_chats(self, line_id: str | None = None) -> list["Chat"]:
        """Return the chats that have not ended."""
        return [chat for chat in self.chats(line_id) if chat.state != "ended"]

    def wait_for_chat(
        self, line_id: str, state: str = "waiting", timeout: float = 10
    ) -> "Chat":
        """Return this customer's newest chat once it has that state."""
        query = {"line_id": line_id, "state": state, "timeout": str(timeout)}
        return Chat(self, self.call("GET", "wait", params=query)["id"])

    @property
    def switches(self) -> Json:
        """The switches as they stand."""
        switches: Json = self.call("GET", "switches")
        return switches

    def switch(self, **changes: Any) -> None:
        """Turn these switches."""
        self.call("PATCH", "switches", json=changes)

    def fault(self, resource: str, kind: str, **options: Any) -> None:
        """Let the next answers of a resource go wrong."""
        body = {"resource": resource, "kind": kind, "times": 1, **options}
        self.call("POST", "faults", json=body)

    def clear_faults(self) -> None:
        """Let everything work again."""
        self.call("DELETE", "faults")

    @property
    def faults_struck(self) -> int:
        """How often the faults that are set have struck."""
        return sum(fault["struck"] for fault in self.call("GET", "faults"))

    @property
    def faults_waiting(self) -> int:
        """How many times the faults that are set will strike yet."""
        faults = self.call("GET", "faults")
        return sum(fault["times"] - fault["struck"] for fault in faults)

    @property
    def counts(self) -> Json:
        """Breaches, calls and polls since the simulator began."""
        counts: Json = self.call("GET", "counts")
        return counts

    def calls(self, resource: str) -> int:
        """How often a resource was called since the simulator began."""
        return int(self.counts["calls"].get(resource, 0))


class Chat:
    """One chat as its agent sees it."""

    def __init__(self, salesforce: Salesforce, chat_id: str) -> None:
        self.salesforce = salesforce
        self.id = chat_id

    def look(self) -> Json:
        """Return all that the simulator tells of it."""
        chat: Json = self.salesforce.call("GET", f"chats/{self.id}")
        return chat

    def wait(self, *, timeout: float = 10, **condition: Any) -> "Chat":
        """Wait until it has that `state`, so many `texts` or `polls`, or `ended`."""
        query = {"timeout": str(timeout), **condition}
        self.salesforce.call("GET", f"chats/{self.id}/wait", params=query)
        return self

    def wait_for_polls(self, count: int, timeout: float = 30) -> "Chat":
        """Wait until Salesforce has seen that many more polls of it."""
        return self.wait(polls=self.look()["polls"] + count, timeout=timeout)

    @property
    def state(self) -> str:
        """One of created, waiting, established, ended."""
        return str(self.look()["state"])

    @property
    def ended_by(self) -> str | None:
        """The reason of its end."""
        return self.look()["ended_by"]

    @property
    def heard(self) -> list[str]:
        """What the customer said, as the agent's transcript shows it."""
        return [e["text"] for e in self._entries("Chasitor")]

    @property
    def sequences(self) -> list[int]:
        """The sequence numbers under which the customer's words came."""
        return [e["sequence"] for e in self._entries("Chasitor")]

    def calls(self, resource: str) -> int:
        """How often this chat called a resource."""
        return int(self.look()["calls"].get(resource, 0))

    @property
    def breaches(self) -> dict[str, int]:
        """Breaches of the protocol, without those that never happened."""
        return {name: n for name, n in self.look()["breaches"].items() if n}

    def accept(self, **options: Any) -> "Chat":
        """Take the chat."""
        return self._do("accept", options)

    def say(self, *texts: str) -> "Chat":
        """Say these words, in one answer of Salesforce."""
        return self._do("say", {"texts": list(texts)})

    def end(self, reason: str = "agent", last_words: Sequence[str] = ()) -> "Chat":
        """End the chat, the last words in the same answer of Salesforce."""
        return self._do("end", {"reason": reason, "last_words": list(last_words)})

    def fail(self, reason: str = "Unavailable") -> "Chat":
        """Let Salesforce find no agent."""
        return self._do("fail", {"reason": reason})

    def events(self, *events: Any) -> "Chat":
        """Put these events into one answer, verbatim."""
        return self._do("events", {"events": list(events)})

    def raw(self, body: str) -> "Chat":
        """Make this text the body of the next answer."""
        return self._do("events", {"raw": body})

    def handover(self) -> "Chat":
        """Move the chat to another of Salesforce's servers: 503 until reconnected."""
        return self._do("handover", {})

    def forget(self) -> "Chat":
        """Let Salesforce forget the session: 403."""
        return self._do("forget", {})

    def skip_numbers(self, **numbers: int) -> "Chat":
        """Never use so many numbers of `events`, or of `posts`."""
        return self._do("skip_numbers", numbers)

    def disconnect_agent(self) -> "Chat":
        """Let the agent drop out; the chat goes on."""
        return self._do("disconnect_agent", {})

    def _entries(self, kind: str) -> list[Json]:
        return [e for e in self.look()["transcript"] if e["type"] == kind]

    def _do(self, action: str, body: Json) -> "Chat":
        self.salesforce.call("POST", f"chats/{self.id}/{action}", json=body)
        return self
