"""The node and its switches as the cases of group N see them: all that the node sends is watched and looked at."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import room
from room import NETWORK, Answer, Switch
from watch import WATCH

from ss7 import m3ua, tcap
from ss7.m3ua import Data, Message
from ss7.rose import Invoke
from ss7.sccp import MessageType, UnitData
from ss7.tcap_dialogue import Aare, Aarq

INSTANCE = 7
"""What transaction ids of the room's node begin with."""


class Question(NamedTuple):
    """What a switch began a dialogue with."""

    called: bytes
    calling: bytes
    sls: int
    portion: Any


class Heard(NamedTuple):
    """What a case has to look at of an answer; the rest is as what it answers has it, or the room fails."""

    kind: int
    components: list[Any]
    portion: Any


class Room(room.Room):
    """The node with its ``switches``.

    Attributes:
        asks_in: the point code of the node that its switches call.
        answered_at: where the answers are to go.
        network: network indicator that they have to have.
        management: what M3UA messages the node has sent.
    """

    def __init__(self, *records: Any, **how: Any) -> None:
        super().__init__(*records, **how)
        self.asks_in = NETWORK.scp_point_code
        self.network = NETWORK.network_indicator
        self.answered_at = NETWORK.point_code
        self.management: list[Message] = []
        self._questions: dict[bytes, Question] = {}
        self._unread: dict[bytes, list[Heard]] = {}
        self._ids: dict[bytes, bytes] = {}
        for switch in self.switches:
            switch.received = partial(self._received, switch)  # type: ignore[method-assign]

    # what the switches say

    def send(self, octets: bytes, **fields: Any) -> None:
        message = tcap.decode(octets)
        if message.kind == tcap.BEGIN:
            self._questions[message.otid] = Question(
                fields.get("called") or NETWORK.called(),
                fields.get("calling") or NETWORK.calling(),
                fields.get("sls", 5),
                message.dialogue,
            )
        super().send(octets, **fields)

    def turn(self) -> None:
        self._quiet = True
        super().turn()
        if self._quiet and getattr(self, "_questions", None):
            switch = self.switches[0]
            self._look(switch, WATCH.portion("silence", [], self._forged(switch)))

    # what they hear

    def _received(self, switch: Switch, messages: list[tuple[int, bytes]]) -> None:
        self._quiet = False
        self._look(switch, WATCH.portion(switch.name, list(messages)))

    def _look(self, switch: Switch, messages: list[tuple[int, bytes]]) -> None:
        for stream, octets in messages:
            known = len(self.said)
            returned = len(switch.returned)
            Switch.received(switch, [(stream, octets)])
            message = m3ua.decode(octets)
            assert m3ua.encode(message) == octets, "M3UA: not as it is encoded"
            if not isinstance(message, Data):
                assert stream == 0, f"{message.name} on stream {stream}"
                self.management.append(message)
                continue
            assert stream == 1 + message.sls % (switch.transport.streams - 1), f"DATA on stream {stream}"
            assert len(self.said) > known or len(switch.returned) > returned, "neither an answer nor returned"
            for answer in self.said[known:]:
                self._heard(message, answer)

    def _forged(self, switch: Switch) -> tuple[int, bytes] | None:
        """An answer to the last question, where none is due."""
        if not self._questions:
            return None
        otid, asked = list(self._questions.items())[-1]
        unit = UnitData(MessageType.UDT, 1, False, asked.calling, asked.called, tcap.build_end(otid, b"", []))
        data = Data(self.asks_in, self.answered_at, 3, self.network, 0, asked.sls, unit.encode())
        return 1 + asked.sls % (switch.transport.streams - 1 if switch.transport else 1), m3ua.encode(data)

    def _heard(self, data: Data, answer: Answer) -> None:
        """Look at everything of an answer that the case need not: it is as the question has it."""
        message = answer.message
        asked = self._questions[message.dtid]
        unit = UnitData(
            MessageType.UDT,
            1,
            message.kind == tcap.CONTINUE,  # of a dialogue that stays open the user wants to know (TC-NOTICE)
            asked.calling,
            asked.called,
            answer.octets,
        )
        assert unit.encode() == data.payload, "SCCP: not class 1 from the called address to the calling one"
        assert tcap.encode(message) == answer.octets, "TCAP: not as it is encoded"
        label = (self.asks_in, self.answered_at, 3, self.network, 0, asked.sls)
        assert (data.opc, data.dpc, data.si, data.ni, data.mp, data.sls) == label
        assert (data.routing_context, data.network_appearance, data.correlation_id) == (-1, -1, -1)
        if message.kind == tcap.CONTINUE:
            ours = self._ids.setdefault(message.dtid, message.otid)
            assert (message.otid, len(ours), ours[0]) == (ours, 4, INSTANCE)
        portion = message.dialogue
        if message.kind != tcap.ABORT:
            first = message.dtid not in self._unread
            accepts = Aare(asked.portion.context) if isinstance(asked.portion, Aarq) and first else None
            assert portion == accepts, f"dialogue portion {portion}, not {accepts}"
        self._unread.setdefault(message.dtid, []).append(Heard(message.kind, message.components, portion))

    # what a case says of it

    def says(self, otid: bytes, *messages: tuple[int, list[Any]]) -> None:
        """These are the answers in a dialogue since the case looked last: type and components of each."""
        unread = self._unread.get(otid, [])
        found = [(heard.kind, heard.components) for heard in unread]
        unread.clear()
        assert found == list(messages), f"{found}, not {list(messages)}"

    def refuses(self, otid: bytes, *, portion: Any = None, p_abort_cause: int = -1) -> None:
        """The dialogue was aborted, so."""
        [answer] = self.answers(otid)
        self._unread[otid].clear()
        aborted = tcap.Message(tcap.ABORT, b"", otid, portion, p_abort_cause=p_abort_cause)
        assert answer.message == aborted, f"{answer.message}, not {aborted}"

    def invoked(self, otid: bytes) -> list[Invoke]:
        """The components of the latest answer, for `says`."""
        return list(self.answers(otid)[-1].message.components)

    def all_was_looked_at(self) -> None:
        """Nothing was sent that the case did not look at."""
        for otid, unread in self._unread.items():
            assert not unread, f"also said in {otid.hex()}: {unread}"
        assert not self.management, f"also said: {self.management}"
        for switch in self.switches:
            assert not switch.returned, f"also returned: {switch.returned}"
