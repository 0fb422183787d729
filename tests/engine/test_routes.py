"""Several gateways: which link a message takes, whatever they have said of its destination."""

from __future__ import annotations

import itertools
from functools import partial
from types import SimpleNamespace

import pytest
from held_open import HeldOpen
from hypothesis import given
from hypothesis import strategies as st
from room import NETWORK, READY, SERVICE_KEY, Room, idp

from scp import config
from scp.app.links import machine
from scp.app.settings import sccp_settings
from scp.engine.link import Link
from scp.engine.routes import COST, choose, cost
from scp.services.api import NextReport
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import Availability
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp_settings import SccpSettings, Translation
from ss7.cap.operations import Opcode
from ss7.m3ua import ASPUP_ACK, DAVA, DRST, DUNA, REG_REQ, SCON, Data, Message, decode, encode
from ss7.m3ua_parameters import AffectedPointCode, ErrorCode, KeyDestination, Tag
from ss7.rose import encode_invoke
from ss7.sccp import Address, GlobalTitle, MessageType, UnitData
from ss7.sccp import decode as decode_sccp
from ss7.scmg import Management, ScmgType

MSC = NETWORK.point_code
OTHER_SSN = Address(8, -1, None, True).encode()


class Talkative:
    """Says something each second."""

    name = "talkative"

    async def run(self, call):
        call.invoke(Opcode.CONTINUE)
        while not (await NextReport(1.0)).over:
            call.invoke(Opcode.ACTIVITY_TEST)


def ssnm(room: Room, number: int, kind: int, mask: int = 0, **more: int) -> None:
    params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(0 if mask else MSC, mask),)}
    if more:
        params[Tag.CONGESTION_INDICATIONS] = more["level"]
    room.switches[number].m3ua(encode(Message(kind, params)), 0)


def heard(room: Room) -> list[int]:
    return [len(switch.answers) for switch in room.switches]


def three(service=None, **settings) -> Room:
    return Room(READY, services={SERVICE_KEY: service} if service else None, links=3, **settings)


# --- the choice ---


def taken(room: Room, current: Link, sls: int, now: float = 0.0) -> Link:
    """The link that a message to the MSC takes."""
    return choose(room.links, current, room.node.networks[0], MSC, sls, now)


def test_everything_that_can_be_said_has_its_cost():
    assert set(COST) == set(itertools.product(Availability, (False, True)))
    assert COST[Availability.AVAILABLE, False] == min(COST.values())
    assert COST[Availability.UNAVAILABLE, False] == max(COST.values())


def test_a_message_stays_on_its_link_while_no_other_is_better():
    room = three()
    for current in room.links:
        assert taken(room, current, 5) is current


@given(
    said=st.lists(
        st.tuples(st.sampled_from(Availability), st.booleans(), st.booleans()), min_size=3, max_size=3
    ),
    alone=st.integers(-1, 2),
    current=st.integers(0, 2),
    sls=st.integers(0, 255),
)
def test_the_least_cost_wins(said, alone, current, sls):
    room = three()
    for number, (availability, congested, lost) in enumerate(said):
        link = room.links[number]
        link.alone = number == alone
        link.destinations.set_availability(MSC, 0, availability)
        if congested:
            link.destinations.set_congestion(MSC, 0, 1, 0.0, 10.0)
        if lost:
            room.disconnect(number)
    up = [link for link in room.links if link.active]
    chosen = taken(room, room.links[current], sls, 1.0)
    if not up:
        assert chosen is room.links[current]
        return
    assert chosen in up
    network = room.node.networks[0]
    assert cost(chosen, network, MSC, 1.0) == min(cost(link, network, MSC, 1.0) for link in up)


def test_the_first_in_override_takes_all_and_loadshare_goes_by_sls():
    room = three()
    room.disconnect(0)
    gone = room.links[0]
    assert {taken(room, gone, sls).name for sls in range(16)} == {
        "stp-1",
        "stp-2",
    }
    assert len({taken(room, gone, 7).name for _ in range(9)}) == 1
    room.links[2].alone = True
    assert {taken(room, gone, sls).name for sls in range(16)} == {"stp-2"}


def test_only_links_that_reach_the_destination_are_taken_while_there_are_any():
    room = three()
    room.disconnect(0)
    room.links[1].reaches = frozenset((MSC + 1,))
    gone = room.links[0]
    assert {taken(room, gone, sls).name for sls in range(16)} == {"stp-2"}
    room.disconnect(2)
    assert taken(room, gone, 0).name == "stp-1"


# --- through the node ---


def paths(room: Room) -> list[object]:
    return [dialogue.path for dialogue in room.cap.tcap._dialogues.values()]


def test_held_dialogues_that_have_the_same_way_back_share_its_object():
    room = three(Talkative())
    for _ in range(3):
        room.call()
    first, *others = paths(room)
    assert all(path is first for path in others)
    room.begin(encode_invoke(1, Opcode.INITIAL_DP, idp()), sls=6)
    assert paths(room)[3] is not first
    assert (first.sls, paths(room)[3].sls) == (5, 6)


def test_dialogues_that_share_a_path_leave_a_lost_link_together_and_new_ones_don_t_follow():
    room = three(Talkative())
    room.call()
    room.call()
    room.disconnect(0)
    room.advance(1.5)
    first, second = paths(room)
    assert first is second
    assert first.link is not room.links[0]
    assert sum(heard(room)[1:]) == 2
    room.connect(0)
    room.turn()
    room.call()
    third = paths(room)[2]
    assert third.link is room.links[0]
    assert third is not first
    room.call()
    assert paths(room)[3] is third


@pytest.mark.parametrize("mask", [0, 14, 25, 255])
@pytest.mark.parametrize(("kind", "moved"), [(DUNA, True), (DRST, True), (SCON, True), (DAVA, False)])
def test_a_dialogue_moves_away_from_a_gateway_that_can_t_reach_its_switch(kind, moved, mask):
    room = three(Talkative())
    room.call()
    assert heard(room) == [1, 0, 0]
    ssnm(room, 0, kind, mask)
    room.advance(1.5)
    assert heard(room)[0] == (1 if moved else 2)
    assert sum(heard(room)) == 2


def test_a_switch_that_no_gateway_reaches_is_answered_where_it_asked():
    room = three(HeldOpen(30.0))
    for number in range(3):
        ssnm(room, number, DUNA)
    room.call()
    assert heard(room) == [1, 0, 0]


def test_under_scon_calls_are_answered_and_returned_messages_are_not_sent():
    room = Room(READY)
    ssnm(room, 0, SCON, level=2)
    calling = Address(146, MSC, None, True).encode()
    message = UnitData(MessageType.UDT, 1, True, OTHER_SSN, calling, b"x")
    room.switch.sccp(message.encode())
    assert room.switch.returned == []
    assert sorted(room.counts.discards) == [("m3ua", "congested"), ("sccp", "unequipped-user")]
    assert room.answer(room.call()).opcodes == [Opcode.CONNECT]
    room.advance(10.0)
    room.switch.sccp(message.encode())
    assert len(room.switch.returned) == 1


def test_what_comes_to_another_of_our_point_codes_is_answered_from_it():
    room = Room(READY, sccp_settings=SccpSettings(point_codes=(NETWORK.scp_point_code, 999)))
    switch = room.switch
    ask = switch.sccp
    switch.sccp = lambda octets, **fields: ask(octets, dpc=999, **fields)
    answer = room.answer(room.call())
    assert (answer.opc, answer.dpc) == (999, MSC)


# --- who is told that the subsystem comes and goes ---


def told(room: Room) -> list[tuple[int, ScmgType]]:
    """To whom, and what, SCCP management of the node said since last asked."""
    heard = [decode(octets) for switch in room.switches for octets in switch.heard]
    for switch in room.switches:
        switch.heard.clear()
    units = [(data.dpc, decode_sccp(data.payload)) for data in heard if isinstance(data, Data)]
    return [(dpc, Management.decode(unit.data).kind) for dpc, unit in units if unit.called.ssn == 1]


def test_concerned_points_are_told_that_the_subsystem_comes_and_goes_while_calls_are_answered():
    settings = SccpSettings(point_codes=(NETWORK.scp_point_code,), concerned=(MSC,))
    room = Room(READY, sccp_settings=settings)
    assert told(room) == [(MSC, ScmgType.SSA)]
    room.node.leave()
    room.turn()
    assert told(room) == [(MSC, ScmgType.SSP)]
    assert room.answer(room.call()).opcodes == [Opcode.CONNECT]
    room.disconnect()
    room.connect()
    assert told(room) == [], "it is still going"


def test_nobody_is_told_where_nobody_is_configured():
    room = Room(READY)
    room.node.leave()
    room.turn()
    assert told(room) == []


# --- the configuration ---

CONFIG = """
[node]
point_code = 185
also = [999, "0-23-1"]
[numbering]
country_code = "46"
[[m3ua.peers]]
name = "stp"
remote = ["127.0.0.1"]
{more}
"""


def test_point_codes_and_routing_keys_are_configured():
    read = config.loads(CONFIG.format(more="routing_key = { origins = [300], service_indicators = [3] }"), {})
    assert sccp_settings(read, read.every_network()["default"]).point_codes == (185, 999, 185)
    asp = machine(read.m3ua.peers[0], 185)
    assert isinstance(asp, Asp)
    asp.connected(0.0, 3)
    asp.receive(encode(Message(ASPUP_ACK, {})), 0, 0.0)
    request = decode(asp.outbox[-1][1])
    assert isinstance(request, Message)
    assert request.kind == REG_REQ
    [key] = request.params[Tag.ROUTING_KEY]
    assert key.destinations == (KeyDestination(185, (3,), (300,)),)


def test_a_routing_key_that_makes_no_sense_is_refused():
    with pytest.raises(config.ConfigError, match="routing_key"):
        config.loads(CONFIG.format(more='role = "ipsp"\nrouting_key = {}'), {})


# --- global titles ---

TRANSLATIONS = (
    Translation("", (500,)),
    Translation("467", (501, 502)),
    Translation("49", (503, 504), share=True),
)


def translating(**settings) -> Room:
    own = {"point_codes": (NETWORK.scp_point_code,), "translations": TRANSLATIONS, **settings}
    return Room(READY, links=2, sccp_settings=SccpSettings(**own))


def called_from(room: Room, digits: str, sls: int = 5) -> int:
    """The point code that a caller with this title is answered at."""
    calling = Address(ssn=146, global_title=GlobalTitle(digits)).encode()
    invoke = encode_invoke(1, Opcode.INITIAL_DP, idp())
    return room.answer(room.begin(invoke, calling=calling, sls=sls)).dpc


def test_the_longest_prefix_says_where_a_title_goes():
    room = translating()
    assert called_from(room, "46700000099") == 501
    assert called_from(room, "12345") == 500
    assert {called_from(room, "4917000", sls) for sls in range(8)} == {503, 504}
    assert len({called_from(room, "4917000", 3) for _ in range(5)}) == 1
    assert called_from(translating(translations=TRANSLATIONS[1:]), "12345") == MSC
    on_ssn = Address(ssn=146, point_code=77, route_on_ssn=True).encode()
    assert room.answer(room.begin(encode_invoke(1, 0, idp()), calling=on_ssn)).dpc == 77


def test_the_backup_is_used_while_the_primary_can_t_be_reached():
    room = translating()
    params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(501),)}
    for number in range(2):
        assert called_from(room, "46700000099") == 501
        room.switches[number].m3ua(encode(Message(DUNA, params)), 0)
    assert called_from(room, "46700000099") == 502
    room.switches[1].m3ua(encode(Message(DAVA, params)), 0)
    assert called_from(room, "46700000099") == 501
    assert [len(switch.answers) for switch in room.switches] == [2, 2]


@pytest.mark.parametrize(("policy", "last", "open_"), [("never", 0, 0), ("open", 0, 1), ("always", 1, 1)])
def test_what_asks_for_its_return_is_configured(policy, last, open_):
    settings = SccpSettings(point_codes=(NETWORK.scp_point_code,), return_on_error=policy)
    ends = Room(READY, sccp_settings=settings)
    assert ends.answer(ends.call()).unit.return_on_error == last
    stays = Room(READY, sccp_settings=settings, services={SERVICE_KEY: HeldOpen(30.0)})
    assert stays.answer(stays.call()).unit.return_on_error == open_


def test_translations_are_configured():
    more = """
[sccp]
return_on_error = "never"
concerned = ["0-1-1"]
[[sccp.translations]]
prefix = "467"
point_codes = ["0-1-1", 12]
mode = "loadshare"
"""
    read = config.loads(CONFIG.format(more=more), {})
    made = sccp_settings(read, read.every_network()["default"])
    assert made.translations == (Translation("467", (9, 12), share=True),)
    assert (made.return_on_error, made.concerned) == ("never", (9,))
    with pytest.raises(config.ConfigError, match="point_codes"):
        config.loads(CONFIG.format(more=more.replace('["0-1-1", 12]', "[]")), {})


def test_a_returned_message_goes_where_its_caller_s_title_is_translated_to():
    room = translating()
    calling = Address(ssn=146, global_title=GlobalTitle("46700000099")).encode()
    stray = UnitData(MessageType.UDT, 1, True, OTHER_SSN, calling, b"x").encode()
    where = []
    hear = room.switch.machine.receive

    def listening(message, stream, now):
        data = hear(message, stream, now)
        if data is not None:
            where.append(data.dpc)
        return data

    room.switch.machine = SimpleNamespace(
        **{name: getattr(room.switch.machine, name) for name in ("send", "outbox", "events")},
        receive=listening,
    )
    room.switch.sccp(stray)
    assert where == [501], "the primary"
    params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(501),)}
    for switch in room.switches:
        switch.m3ua(encode(Message(DUNA, params)), 0)
    room.switch.sccp(stray)
    assert where == [501, 502]
    room.switch.sccp(UnitData(MessageType.XUDT, 1, True, OTHER_SSN, calling, b"x", 5).encode())
    assert where == [501, 502, 502]


# --- several application servers in one association ---


def test_an_answer_goes_as_a_message_of_the_application_server_that_was_asked():
    room = Room(READY, services={SERVICE_KEY: HeldOpen(30.0)}, contexts=(7, 9))
    for context in (9, 7, 9):
        calling = NETWORK.calling()
        invoke = encode_invoke(1, Opcode.INITIAL_DP, idp())
        begin = room.switch.sccp
        room.switch.sccp = partial(begin, context=context)
        assert room.answer(room.begin(invoke, calling=calling)).context == context
        room.switch.sccp = begin


def test_messages_without_a_routing_context_are_refused_where_there_are_several():
    room = Room(READY, contexts=(7, 9))
    before = len(room.switch.heard)
    room.switch.m3ua(encode(Data(1, 2, 3, 0, 0, 5, b"x")), 1)
    room.switch.m3ua(encode(Data(1, 2, 3, 0, 0, 5, b"x", 8)), 1)
    codes = [decode(octets).integer(Tag.ERROR_CODE) for octets in room.switch.heard[before:]]
    assert codes == [ErrorCode.NO_CONFIGURED_AS_FOR_ASP, ErrorCode.INVALID_ROUTING_CONTEXT]
    assert room.counts.discards == [("m3ua", "routing-context")] * 2


def test_routing_contexts_are_configured():
    read = config.loads(CONFIG.format(more="routing_context = [7, 9]"), {})
    made = machine(read.m3ua.peers[0])
    assert isinstance(made, Asp)
    assert tuple(made.servers) == (7, 9)
    listens = CONFIG.replace('remote = ["127.0.0.1"]', 'role = "ipsp-listen"')
    made = machine(config.loads(listens.format(more="routing_context = [7, 9]"), {}).m3ua.peers[0])
    assert isinstance(made, Sgp)
    assert tuple(made.servers) == (7, 9)
    for wrong in (
        "routing_context = [7, 7]",
        "routing_context = [7, -1]",
        "routing_context = [7, 9]\nrouting_key = {}",
    ):
        with pytest.raises(config.ConfigError, match="routing_context"):
            config.loads(CONFIG.format(more=wrong), {})
