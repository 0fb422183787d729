"""What a service sees of a call, before and after its first answer."""

from __future__ import annotations

import pytest
from driver import USER, Driver, a_call

from scp.bench.monitored_call import MonitoredCall
from scp.bench.parts import _NUMBERING, BATCH, Rig, _OneRecord
from scp.bench.scenarios import ABROAD, PREFIX
from scp.domain.rules import OnFailure
from scp.services.api import NodeSettings
from scp.services.voip_forwarding import voip_forwarding
from scp.simulator.idp import initial_dp
from scp.telemetry.null import NullTelemetry
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V2
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE

IDP = initial_dp(ABROAD, b"\1\2\3\4")
OCTETS = FAST.encode_argument(Opcode.INITIAL_DP, IDP, CAP_V2.version)


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_an_argument_that_was_compacted_is_the_same(codec, monkeypatch):
    monkeypatch.setattr(USER, "codec", codec)
    call = a_call(IDP, OCTETS)
    assert call.idp is IDP
    call.compact()
    assert call.idp is not IDP
    assert call.idp == IDP


def test_without_octets_nothing_is_compacted():
    call = a_call(IDP)
    call.compact()
    assert call.idp is IDP


def steering():
    return voip_forwarding({"prefix": PREFIX}, NodeSettings(_NUMBERING, OnFailure.CONTINUE))


def test_held_dialogues_keep_octets_only():
    seen = []

    class Watching(MonitoredCall):
        async def run(self, call):
            seen.append(call)
            await super().run(call)

    rig = Rig(Watching(steering()), _OneRecord(), NullTelemetry())
    rig.run()
    assert len(seen) == BATCH
    first = [call.idp for call in seen]
    assert all(call.idp is not idp and call.idp == idp for call, idp in zip(seen, first, strict=True))


def test_a_service_can_be_driven_with_an_argument_alone():
    assert Driver(steering(), IDP).waits is not None
