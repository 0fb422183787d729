"""A charging function over a real socket: keeps sessions and a balance in seconds, and fails when told to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any
from urllib.parse import unquote

ROOT = "/nchf-convergedcharging/v3/chargingdata"


def units(given: dict[str, Any]) -> int:
    """Seconds, or service-specific units: one of them is given."""
    (amount,) = [given[each] for each in ("time", "serviceSpecificUnits") if each in given]
    return int(amount)


class Chf:
    """Answers as TS 32.291 has it.

    Attributes:
        balance: seconds that may still be granted; those after ``change`` (a date) count ``later`` times.
        requests: (path, body) of what came.
        faults: what to do with the next requests: "drop" the connection before, "lose" the answer after it was
            carried out, "slow", a status, or a result code.
    """

    def __init__(self, balance: int = 100_000) -> None:
        self.balance = balance
        self.change = ""
        self.later = 1
        self.changed: set[str] = set()
        self.sessions: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.faults: deque[str | int] = deque()
        self.connections = 0
        self._seen: dict[tuple[Any, ...], tuple[int, dict[str, Any], str]] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(
                    next(
                        line for line in head.split("\r\n") if line.lower().startswith("content-length:")
                    ).split(":")[1]
                )
                body = json.loads(await reader.readexactly(length))
                path = head.split(" ")[1]
                self.requests.append((path, body))
                fault = self.faults.popleft() if self.faults else None
                if fault == "drop":
                    break
                status, answer, location = self.carry_out(path, body, fault)
                if fault == "lose":
                    break
                if fault == "slow":
                    await reader.read()  # until the client has given up
                    break
                content = json.dumps(answer).encode() if answer is not None else b""
                lines = [
                    f"HTTP/1.1 {status} X",
                    f"Content-Length: {len(content)}",
                    "Content-Type: application/json",
                ]
                if location:
                    lines.append(f"Location: {location}")
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def carry_out(
        self, path: str, body: dict[str, Any], fault: str | int | None = None
    ) -> tuple[int, Any, str]:
        if isinstance(fault, int):
            return fault, {"cause": "QUOTA_LIMIT_REACHED"} if fault == 403 else {}, ""
        if fault == "garbage":
            return 201, "what?", f"{ROOT}/0"
        place = (
            path,
            body["subscriberIdentifier"],
            body["invocationSequenceNumber"],
            body["iMSChargingInformation"]["callingPartyAddresses"][0],
        )
        if body.get("retransmissionIndicator") and place in self._seen:
            return self._seen[place]
        self._seen[place] = answer = self._new(path, body, fault)
        return answer

    def take(self, reference: str, usage: dict[str, Any]) -> None:
        """Take what was used off what is held, and what is left of that back."""
        containers = usage["usedUnitContainer"]
        for number, container in enumerate(containers):
            after = reference in self.changed or number > 0
            self.balance -= units(container) * (self.later if after else 1)
            self.used[reference] = self.used.get(reference, 0) + units(container)
        if len(containers) > 1:
            assert containers[0]["triggers"][0]["triggerType"] == "TARIFF_TIME_CHANGE"
            self.changed.add(reference)
        self.balance += self.sessions[reference]
        self.sessions[reference] = 0

    def _new(self, path: str, body: dict[str, Any], fault: str | None) -> tuple[int, Any, str]:
        usage = body["multipleUnitUsage"][0]
        reference, _, verb = unquote(path).removeprefix(ROOT).strip("/").partition("/")
        if verb == "release":
            if reference not in self.sessions:
                return 404, {"cause": "CONTEXT_NOT_FOUND"}, ""
            self.take(reference, usage)
            self.balance += self.sessions.pop(reference)
            return 204, None, ""
        if verb == "update" and reference not in self.sessions:
            return 404, {}, ""
        if usage.get("usedUnitContainer"):  # the quota before is over
            self.take(reference, usage)
        reference = reference or f"session {len(self.sessions) + len(self.used)}"
        code = fault if isinstance(fault, str) and fault.isupper() else "SUCCESS"
        dearest = self.later if self.change else 1
        asked = units(usage["requestedUnit"]) if "requestedUnit" in usage else 0
        time = min(asked, self.balance // dearest) if code == "SUCCESS" else 0
        if code == "SUCCESS" and asked and not time:
            code = "QUOTA_LIMIT_REACHED"
        self.balance -= time * dearest
        self.sessions[reference] = self.sessions.get(reference, 0) + time * dearest
        unit = {"ratingGroup": usage["ratingGroup"], "resultCode": code}
        if time:
            unit |= {"grantedUnit": dict.fromkeys(usage["requestedUnit"], time), "validityTime": 3600}
            if self.change and reference not in self.changed:
                unit["grantedUnit"]["tariffTimeChange"] = self.change
            if time < asked:
                unit["finalUnitIndication"] = {"finalUnitAction": "TERMINATE"}
        answer = {
            "invocationTimeStamp": body["invocationTimeStamp"],
            "invocationSequenceNumber": body["invocationSequenceNumber"],
            "multipleUnitInformation": [unit],
        }
        location = f"http://chf{ROOT}/{reference.replace(' ', '%20')}"
        return (200, answer, "") if verb else (201, answer, location)
