"""Several SS7 networks: whatever goes out has the indicator, point code, title and AS of the network it goes to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from held_open import HeldOpen
from hypothesis import given
from hypothesis import strategies as st
from room import NETWORK, READY, SERVICE_KEY, Room, Switch, idp, new_otid

from oracles.examples import examples
from scp.engine.network import Ss7Network
from scp.engine.routes import FREE, choose, cost
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings, Translation
from ss7 import sccp, tcap
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.m3ua import DUNA, Message, encode
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.rose import encode_invoke
from ss7.sccp import Address, GlobalTitle, MessageType, ReturnCause, Segmentation, UnitData
from ss7.scmg import Management, ScmgType
from ss7.tcap_dialogue import Aarq, encode_dialogue

INTERNATIONAL, SPARE, NATIONAL, RESERVED = range(4)
MSC, SCP = NETWORK.point_code, NETWORK.scp_point_code
OTHER_SSN = Address(8, -1, None, True).encode()
TO_SSN = Address(146, -1, None, True).encode()
FROM_MSC = Address(146, MSC, None, True).encode()


def network(indicator: int, *, answers_others: bool = True, name: str = "n", **settings) -> Ss7Network:
    own = SccpSettings(**{"point_codes": (SCP,), **settings})
    return Ss7Network(Sccp(own, indicator << 8), indicator, name, answers_others=answers_others)


def ask(switch: Switch, ni: int, *, called: bytes = TO_SSN, calling: bytes = b"", **fields: int) -> bytes:
    """Have a switch ask for a call in a network; return the dialogue's id there."""
    otid = new_otid()
    portion = encode_dialogue(Aarq(BY_VERSION[2].octets))
    begin = tcap.build_begin(otid, portion, [encode_invoke(1, Opcode.INITIAL_DP, idp())])
    unit = UnitData(MessageType.UDT, 1, False, called, calling or FROM_MSC, begin)
    switch.sccp(unit.encode(), ni=ni, **fields)
    return otid


def labels(switch: Switch) -> list[tuple[int, int, int, int]]:
    """Network indicator, OPC, DPC and routing context of all DATA that came to a switch since last asked."""
    found = [(data.ni, data.opc, data.dpc, data.routing_context) for data in switch.data]
    switch.data.clear()
    return found


# --- an indicator of no network ---


def test_a_question_with_another_indicator_is_answered_with_that_counted_and_reported_once(everything_sent):
    room = Room(READY, networks=[network(INTERNATIONAL, name="default")], recorder=everything_sent)
    for _ in range(2):
        assert room.answer(ask(room.switch, NATIONAL)).ni == NATIONAL
    assert room.answer(ask(room.switch, INTERNATIONAL)).ni == INTERNATIONAL
    assert room.links[0].others == {NATIONAL: 2}
    assert room.counts.discards == []
    said = "stp-0: DATA has network indicator national, network default has international: it is answered with national"
    assert room.log.count(said) == 1
    assert set(room.node.observer.links["stp-0"].other_indicators) == {"national"}
    room.disconnect()
    room.connect()
    assert not room.node.observer.links["stp-0"].other_indicators
    ask(room.switch, NATIONAL)
    assert room.log.count(said) == 2, "an association is told of once"


def test_it_is_discarded_where_that_is_configured():
    room = Room(READY, networks=[network(NATIONAL, answers_others=False, name="home")])
    for _ in range(2):
        assert room.answers(ask(room.switch, RESERVED)) == []
    assert room.counts.discards == [("m3ua", "network-indicator")] * 2
    assert room.links[0].others == {RESERVED: 2}
    [condition] = room.node.observer.links["stp-0"].other_indicators.values()
    assert (condition.state, bool(condition.check)) == ("discarded", True)
    said = "stp-0: DATA has network indicator reserved, network home has national: it is discarded"
    assert room.log.count(said) == 1
    assert room.answer(ask(room.switch, NATIONAL)).ni == NATIONAL
    assert room.node.networks == room.node.networks[:1]


def test_a_held_dialogue_stays_in_its_network():
    room = Room(READY, services={SERVICE_KEY: HeldOpen(30.0)}, links=2)
    otid = ask(room.switch, NATIONAL)
    room.disconnect(0)
    room.advance(35.0)
    answers = room.answers(otid)
    assert len(answers) > 1
    assert {answer.ni for answer in answers} == {NATIONAL}
    assert [len(switch.answers) for switch in room.switches] == [1, len(answers) - 1]


def segment(body: bytes, remaining: int, *, first: bool, called: bytes = b"") -> bytes:
    called = called or NETWORK.called()
    part = Segmentation(first, remaining, 77)
    return UnitData(MessageType.XUDT, 1, True, called, FROM_MSC, body, 9, part).encode()


def management(kind: ScmgType, ssn: int = 146, point_code: int = SCP) -> bytes:
    peers = Address(1, SCP, None, True).encode(), Address(1, MSC, None, True).encode()
    return UnitData(MessageType.UDT, 0, False, *peers, Management(kind, ssn, point_code).encode()).encode()


@pytest.mark.parametrize("ni", range(4))
def test_what_sccp_says_itself_is_in_the_network_of_its_cause(ni, everything_sent):
    room = Room(READY, networks=[network(INTERNATIONAL, point_codes=(SCP, 999))], recorder=everything_sent)
    switch = room.switch
    returned = UnitData(MessageType.UDT, 1, True, OTHER_SSN, FROM_MSC, b"x").encode()
    switch.sccp(returned, ni=ni, dpc=999)
    switch.sccp(management(ScmgType.SST), ni=ni)
    switch.sccp(segment(b"a", 2, first=True), ni=ni, dpc=999)
    switch.sccp(segment(b"b", 0, first=False), ni=ni, dpc=999)  # one was lost
    assert labels(switch) == [(ni, 999, MSC, -1), (ni, SCP, MSC, -1), (ni, 999, MSC, -1)]
    switch.sccp(segment(b"a", 1, first=True), ni=ni, dpc=999)
    room.advance(20.0)
    assert labels(switch) == [(ni, 999, MSC, -1)]
    assert [unit.cause for unit in switch.returned] == [
        ReturnCause.UNEQUIPPED_USER,
        ReturnCause.ERROR_IN_MESSAGE_TRANSPORT,
        ReturnCause.ERROR_IN_MESSAGE_TRANSPORT,
    ]
    switch.sccp(management(ScmgType.SSP, 8, MSC), ni=ni)
    room.advance(10.1)
    assert labels(switch) == [(ni, SCP, MSC, -1)], "the status test"


def test_segments_of_one_message_are_of_one_network():
    room = Room(READY)
    room.switch.sccp(segment(b"a", 1, first=True), ni=NATIONAL)
    room.switch.sccp(segment(b"b", 0, first=False), ni=INTERNATIONAL)
    assert room.counts.discards == [("sccp", "segment-unexpected")]


# --- several networks ---

HOME = {"point_codes": (2000, 2001), "ssns": (146, 147), "global_title": GlobalTitle("46700000002")}


def two(**changed) -> tuple[Ss7Network, Ss7Network]:
    return network(INTERNATIONAL, name="default"), network(NATIONAL, name="home", **{**HOME, **changed})


def test_each_link_answers_as_its_network(everything_sent):
    abroad, home = two()
    leads_to = [[(-1, abroad)], [(-1, home)]]
    room = Room(READY, links=2, networks=[abroad, home], leads_to=leads_to, recorder=everything_sent)
    one, other = room.switches
    there = room.answer(ask(one, INTERNATIONAL))
    assert (there.ni, there.opc, there.unit.calling_raw) == (INTERNATIONAL, SCP, TO_SSN)
    here = room.answer(ask(other, NATIONAL, dpc=2001))
    assert (here.ni, here.opc) == (NATIONAL, 2001)
    assert here.unit.calling == Address(146, -1, GlobalTitle("46700000002"))
    ask(one, INTERNATIONAL, dpc=2001)
    ask(other, NATIONAL, dpc=SCP)
    assert room.counts.discards == [("sccp", "foreign-point-code")] * 2
    assert [len(switch.answers) for switch in room.switches] == [1, 1]


def test_no_message_leaves_its_network_while_its_own_links_are_down():
    abroad, home = two()
    leads_to = [[(-1, abroad)], [(-1, home)], [(-1, home)]]
    room = Room(
        READY,
        services={SERVICE_KEY: HeldOpen(1.0)},
        links=3,
        networks=[abroad, home],
        leads_to=leads_to,
    )
    otid = ask(room.switches[1], NATIONAL, dpc=2000)
    room.disconnect(1)
    room.advance(1.5)
    assert [len(switch.answers) for switch in room.switches] == [0, 1, 1]
    room.disconnect(2)
    room.advance(5.0)
    assert [len(switch.answers) for switch in room.switches] == [0, 1, len(room.answers(otid)) - 1]
    assert ("m3ua", "not-active") in room.counts.discards
    assert room.switches[0].data == []


def shared_by_context(**more) -> tuple[Room, Ss7Network, Ss7Network]:
    """Two gateways that both lead to both networks; routing contexts 7 and 9, the other way round at the second."""
    abroad, home = two()
    leads_to = [[(7, abroad), (9, home)], [(7, home), (9, abroad)]]
    room = Room(READY, links=2, networks=[abroad, home], leads_to=leads_to, contexts=(7, 9), **more)
    return room, abroad, home


def test_application_servers_of_one_association_are_of_different_networks(everything_sent):
    room, _, _ = shared_by_context(recorder=everything_sent)
    one, other = room.switches
    ask(one, INTERNATIONAL, context=7)
    ask(one, NATIONAL, context=9, dpc=2000)
    assert labels(one) == [(INTERNATIONAL, SCP, MSC, 7), (NATIONAL, 2000, MSC, 9)]
    ask(other, INTERNATIONAL, context=9)
    ask(other, NATIONAL, context=7, dpc=2001)
    assert labels(other) == [(INTERNATIONAL, SCP, MSC, 9), (NATIONAL, 2001, MSC, 7)]
    ask(one, NATIONAL, context=7)  # another indicator in the AS of the international one
    assert labels(one) == [(NATIONAL, SCP, MSC, 7)]
    assert room.links[0].others == {NATIONAL: 1}


def test_a_dialogue_goes_on_over_another_gateway_as_the_application_server_of_its_network():
    room, _, _ = shared_by_context(services={SERVICE_KEY: HeldOpen(1.0)})
    one, other = room.switches
    ask(one, INTERNATIONAL, context=7)
    ask(one, NATIONAL, context=9, dpc=2000)
    labels(one)
    room.disconnect(0)
    room.advance(1.5)
    assert sorted(labels(other)) == [(INTERNATIONAL, SCP, MSC, 9), (NATIONAL, 2000, MSC, 7)]


def test_an_application_server_that_is_not_active_sends_nothing_as_another():
    room, _, home = shared_by_context(services={SERVICE_KEY: HeldOpen(1.0)})
    one, _ = room.switches
    room.disconnect(1)
    ask(one, NATIONAL, context=9, dpc=2000)
    labels(one)
    one.machine.servers[9].sends = False  # what follows is the node's side of it
    room.links[0].machine.servers[9].sends = False
    assert not room.links[0].carries(home)
    room.advance(5.0)
    assert labels(one) == []
    assert ("m3ua", "not-active") in room.counts.discards


@pytest.mark.parametrize(
    ("contexts", "first", "second"),
    [((7,), False, True), ((9,), True, False), ((7, 9), False, False), ((), False, False)],
)
def test_a_destination_that_is_unavailable_is_so_in_the_network_that_was_spoken_of(contexts, first, second):
    """A point code is another one in each network (RFC 4666 §3.4.1: the routing context tells which)."""
    room, abroad, home = shared_by_context()
    [link, other] = room.links
    params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(MSC),)}
    if contexts:
        params[Tag.ROUTING_CONTEXT] = contexts
    room.switches[0].m3ua(encode(Message(DUNA, params)), 0)
    room.turn()
    assert [cost(link, each, MSC, 1.0) == FREE for each in (abroad, home)] == [first, second]
    assert [cost(other, each, MSC, 1.0) for each in (abroad, home)] == [FREE, FREE]
    for each, stays in ((abroad, first), (home, second)):
        assert (choose(room.links, link, each, MSC, 0, 1.0) is link) is stays
    room.disconnect(0)
    assert [cost(link, each, MSC, 1.0) for each in (abroad, home)] == [FREE, FREE], (
        "said on another association"
    )


def test_networks_without_routing_contexts_are_told_apart_by_their_indicator(everything_sent):
    abroad, home = two()
    room = Room(
        READY, networks=[abroad, home], leads_to=[[(-1, abroad), (-1, home)]], recorder=everything_sent
    )
    ask(room.switch, NATIONAL, dpc=2000)
    ask(room.switch, INTERNATIONAL)
    assert labels(room.switch) == [(NATIONAL, 2000, MSC, -1), (INTERNATIONAL, SCP, MSC, -1)]
    assert room.links[0].others == {}
    ask(room.switch, RESERVED)
    assert labels(room.switch) == [(RESERVED, SCP, MSC, -1)], "as of the first of its networks"
    assert room.links[0].others == {RESERVED: 1}


def test_concerned_points_are_told_in_their_network():
    abroad, home = network(INTERNATIONAL, concerned=(300,)), network(NATIONAL, **HOME, concerned=(400,))
    room = Room(READY, networks=[abroad, home], leads_to=[[(7, abroad), (9, home)]], contexts=(7, 9))
    assert sorted(labels(room.switch)) == [
        (INTERNATIONAL, SCP, 300, 7),
        (NATIONAL, 2000, 400, 9),
        (NATIONAL, 2000, 400, 9),  # one for each subsystem
    ]
    room.node.leave()
    room.turn()
    assert sorted(labels(room.switch)) == [
        (INTERNATIONAL, SCP, 300, 7),
        (NATIONAL, 2000, 400, 9),
        (NATIONAL, 2000, 400, 9),
    ]


def test_a_title_is_translated_in_the_network_of_the_question():
    abroad = network(INTERNATIONAL, translations=(Translation("467", (501,)),))
    home = network(NATIONAL, **HOME, translations=(Translation("467", (601, 602)),))
    leads_to = [[(-1, abroad)], [(-1, home)], [(-1, home)]]
    room = Room(READY, links=3, networks=[abroad, home], leads_to=leads_to)
    caller = Address(146, -1, GlobalTitle("46700000099")).encode()
    assert room.answer(ask(room.switches[0], INTERNATIONAL, calling=caller)).dpc == 501
    assert room.answer(ask(room.switches[1], NATIONAL, calling=caller, dpc=2000)).dpc == 601
    for switch in room.switches:
        params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(601),)}
        switch.m3ua(encode(Message(DUNA, params)), 0)
    assert room.answer(ask(room.switches[1], NATIONAL, calling=caller, dpc=2000)).dpc == 602


# --- any question ---

CONTEXTS = {
    "by-context": {(0, "default"): 7, (0, "home"): 9, (1, "default"): 9, (1, "home"): 7},
    "by-link": {},
    "by-indicator": {},
}
"""(gateway, network) → routing context."""
SHAPES: dict[str, Callable[[], Room]] = {
    "by-context": lambda: shared_by_context()[0],
    "by-link": lambda: Room(
        READY, links=2, networks=(pair := two()), leads_to=[[(-1, each)] for each in pair]
    ),
    "by-indicator": lambda: Room(
        READY, links=2, networks=(pair := two()), leads_to=[[(-1, each) for each in pair]] * 2
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@examples(30)
@given(data=st.data())
def test_whatever_comes_is_answered_in_its_network_or_not_at_all(shape, data):
    """Calls, strays, status tests and segments in any network from any gateway, some lost and back between them."""
    room = SHAPES[shape]()
    for _ in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, 1))
        switch, link = room.switches[number], room.links[number]
        ni = data.draw(st.sampled_from([INTERNATIONAL, NATIONAL, RESERVED]))
        context = data.draw(st.sampled_from([7, 9])) if shape == "by-context" else -1
        expected = link.network_of(context, ni) if link.shared else link.network
        dpc = data.draw(st.sampled_from(expected.sccp.settings.point_codes))
        ssn = data.draw(st.sampled_from(expected.sccp.settings.ssns))
        title = expected.sccp.settings.global_title
        called = data.draw(
            st.sampled_from([Address(ssn, -1, title or GlobalTitle("467")), Address(ssn, dpc, None, True)])
        )
        kind = data.draw(st.sampled_from(["call", "stray", "test", "half"]))
        routing = {"ni": ni, "dpc": dpc, "context": context}
        for each in room.switches:
            each.data.clear()
        if kind == "call":
            answer = room.answer(ask(switch, ni, called=called.encode(), dpc=dpc, context=context))
            own = called.encode() if title is None else Address(ssn, -1, title).encode()
            assert answer.unit.calling_raw == own
        elif kind == "stray":
            switch.sccp(UnitData(MessageType.UDT, 1, True, OTHER_SSN, FROM_MSC, b"x").encode(), **routing)
        elif kind == "test":
            switch.sccp(management(ScmgType.SST, ssn, dpc), **routing)
        else:
            switch.sccp(segment(b"x", 1, first=True, called=called.encode()), **routing)
            room.advance(20.0)
        if kind == "half":  # T(reass) is over: the returned message may leave by any link of the network
            switch = next(each for each in room.switches if each.data)
            context = CONTEXTS[shape].get((room.switches.index(switch), expected.configured.name), -1)
        assert labels(switch) == [(ni, dpc, MSC, context)], kind
        assert all(not each.data for each in room.switches)
        if data.draw(st.booleans()):
            lost = data.draw(st.integers(0, 1))
            room.disconnect(lost)
            room.connect(lost)


def test_the_address_of_an_answer_has_the_subsystem_that_was_called():
    stack = Sccp(SccpSettings(point_codes=(SCP,), ssns=(146, 147), global_title=GlobalTitle("467")))
    for called, ssn in [
        (Address(147, -1, GlobalTitle("467")), 147),
        (Address(146, -1, GlobalTitle("467")), 146),
        (Address(-1, -1, GlobalTitle("467")), 146),
        (Address(147, SCP, None, True), 147),
    ]:
        for _ in range(2):
            own = sccp.address_of(stack.own_address(called.encode()))
            assert (own.ssn, own.global_title) == (ssn, GlobalTitle("467"))
