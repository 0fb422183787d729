"""Which TC-user a dialogue belongs to: by the SSN that was called and the application context it asks for."""

from __future__ import annotations

from itertools import product

import pytest
from room import NETWORK, READY, Room, idp, new_otid

from scp.engine.return_path import ReturnPath
from scp.engine.tc_users import TcUsers
from scp.stack import tcap_dialogue as tc
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from ss7 import tcap
from ss7.cap.contexts import BY_VERSION, CALL_CONTROL, CAP_V1
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke
from ss7.sccp import Address, GlobalTitle
from ss7.tcap_dialogue import Aarq, encode_dialogue, oid_octets

CAP, MAP = 146, 147
SENT_ROUTING_INFO = oid_octets("0.4.0.0.1.0.5.3")
MWD_MNGT = oid_octets("0.4.0.0.1.0.24.3")
OF_MAP = frozenset({SENT_ROUTING_INFO, MWD_MNGT})
UNKNOWN = oid_octets("0.4.0.0.1.0.99.1")
TITLE = GlobalTitle("46700000001")


class User:
    """A TC-user that notes what it is told."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.told: list[tuple[int, bytes]] = []
        self.ticks: list[float] = []

    def indication(self, indication: tc.Indication, now: float) -> None:
        self.told.append((indication.kind, indication.dialogue.context))

    def next_deadline(self) -> float:
        return self.due

    def tick(self, now: float) -> None:
        self.ticks.append(now)


class Provider:
    """A `TcProvider` with two subsystems."""

    def __init__(self) -> None:
        self.tcap = Tcap(TcapSettings(instance=9))
        self.sent: list[bytes] = []
        self.discards: list[tuple[str, str]] = []
        self.users = TcUsers(self)
        self.cap, self.map = User(20.0), User(10.0)
        self.users.add(self.cap, CAP, CALL_CONTROL)
        self.users.add(self.map, MAP, OF_MAP)

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        self.sent.append(octets)

    def discard(self, layer: str, reason: str) -> None:
        self.discards.append((layer, reason))

    def keep(self, path: object) -> object:
        return path

    def wake_at(self, due: float) -> None: ...
    def flush(self) -> None: ...

    def begin(self, called: Address, context: bytes, *, portion: bool = True) -> tc.Dialogue:
        link = Room(READY).links[0]
        path = ReturnPath(link, 1, 2, 3, NETWORK.calling(), called.encode())
        dialogue = encode_dialogue(Aarq(context)) if portion else b""
        invoke = encode_invoke(1, Opcode.INITIAL_DP, idp())
        indication = self.tcap.receive(tcap.build_begin(new_otid(), dialogue, [invoke]), path, 0.0)
        assert indication is not None
        self.users.indication(indication, 0.0)
        return indication.dialogue


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.mark.parametrize(
    ("ssn", "context"), list(product((CAP, MAP, -1), (*sorted(CALL_CONTROL), *sorted(OF_MAP), UNKNOWN)))
)
def test_a_subsystem_serves_its_own_contexts(provider, ssn, context):
    """An address without SSN means the first subsystem."""
    served = {CAP: CALL_CONTROL, MAP: OF_MAP, -1: CALL_CONTROL}[ssn]
    dialogue = provider.begin(Address(ssn, -1, TITLE), context)
    told = [(tc.BEGIN, context)] if context in served else []
    assert provider.cap.told == (told if ssn != MAP else [])
    assert provider.map.told == (told if ssn == MAP else [])
    assert dialogue.closed is not bool(told)
    assert provider.discards == ([] if told else [("tcap", "contextNotSupported")])


@pytest.mark.parametrize("context", [UNKNOWN, SENT_ROUTING_INFO])
def test_a_refusal_is_the_same_whether_tcap_or_a_subsystem_knows_no_such_context(provider, context):
    provider.begin(Address(CAP, -1, TITLE), context)
    [refusal] = provider.sent
    alone = Tcap(TcapSettings(contexts=CALL_CONTROL))
    otid = tcap.decode(refusal).dtid
    assert alone.receive(tcap.build_begin(otid, encode_dialogue(Aarq(context)), []), None, 0.0) is None
    assert alone.outbox == [(None, refusal)]


def test_a_begin_without_dialogue_portion_is_cap_phase_1_and_no_map(provider):
    assert provider.begin(Address(CAP, -1, TITLE), b"", portion=False).context == CAP_V1.octets
    assert provider.cap.told == [(tc.BEGIN, CAP_V1.octets)]
    refused = provider.begin(Address(MAP, -1, TITLE), b"", portion=False)
    assert refused.closed
    assert not provider.map.told
    assert tcap.decode(provider.sent[-1]).dialogue is None


def test_what_follows_goes_to_the_user_that_the_dialogue_began_with(provider):
    for context, user in ((BY_VERSION[2].octets, provider.cap), (MWD_MNGT, provider.map)):
        dialogue = provider.begin(Address(CAP if user is provider.cap else MAP, -1, TITLE), context)
        provider.tcap.continue_(dialogue, [], 0.0)
        octets = tcap.build_end(dialogue.local_tid, b"", [])
        indication = provider.tcap.receive(octets, dialogue.path, 0.0)
        provider.users.indication(indication, 0.0)
        assert user.told == [(tc.BEGIN, context), (tc.END, context)]


def test_a_dialogue_of_our_own_is_its_users(provider):
    dialogue = provider.tcap.open(None, MWD_MNGT, 0.0)
    provider.tcap.begin(dialogue, [], 0.0)
    answer = provider.tcap.receive(tcap.build_abort(dialogue.local_tid, b""), None, 0.0)
    provider.users.indication(answer, 0.0)
    assert provider.map.told == [(tc.U_ABORT, MWD_MNGT)]
    assert provider.sent == []


def test_time_is_every_users(provider):
    assert provider.users.next_deadline() == 10.0
    provider.map.due = 30.0
    assert provider.users.next_deadline() == 20.0
    provider.users.tick(25.0)
    assert provider.cap.ticks == provider.map.ticks == [25.0]


def test_a_context_has_one_user(provider):
    provider.users.add(provider.map, 6, OF_MAP)
    with pytest.raises(ValueError, match="has another TC-user already"):
        provider.users.add(provider.map, MAP, CALL_CONTROL)
