"""A gsmSCF that answers each TCAP message by a script: the other end of the simulator in its own tests."""

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings
from ss7 import m3ua, sccp, tcap
from ss7.cap.codec import FAST
from ss7.isup import CalledPartyNumber
from ss7.rose import encode_invoke
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

RETURNED = object()
"""In a script's answers: the message goes back to its sender as a UDTS, if it asks for that."""


class ScriptedScf:
    """An ASP on one transport; ``script(message, number)`` returns whole TCAP messages to send back."""

    def __init__(self, script, routing_context=-1, clock=lambda: 0.0):
        contexts = () if routing_context < 0 else (routing_context,)
        self.machine = Asp(AspSettings(routing_contexts=contexts))
        self.script = script
        self.clock = clock
        self.received_messages = []
        self.transport = None

    def connected(self, transport):
        self.transport = transport
        self.machine.connected(self.clock(), transport.streams)
        self.flush()

    def disconnected(self, reason):
        self.machine.lost(self.clock())

    def received(self, messages):
        for stream, octets in messages:
            data = self.machine.receive(octets, stream, self.clock())
            if data is None:
                continue
            unit = sccp.decode(data.payload)
            message = tcap.decode(unit.data)
            self.received_messages.append(message)
            for answer in self.script(message, len(self.received_messages) - 1):
                if answer is RETURNED:
                    if not unit.return_on_error:
                        continue
                    payload = unit.returned(sccp.ReturnCause.UNEQUIPPED_USER).encode()
                else:
                    payload = sccp.udt(unit.calling_raw, unit.called_raw, answer, 0x01)
                self.machine.send(data.dpc, data.opc, data.ni, data.sls, payload)
        self.flush()

    def flush(self):
        if self.machine.outbox:
            self.transport.send(self.machine.outbox[:])
            self.machine.outbox.clear()
        self.machine.events.clear()


def invoke(opcode, argument=None, invoke_id=1, version=2):
    return encode_invoke(invoke_id, opcode, FAST.encode_argument(opcode, argument, version))


def aare(begin):
    return encode_dialogue(Aare(begin.dialogue.context)) if isinstance(begin.dialogue, Aarq) else b""


def end(begin, *components):
    return tcap.build_end(begin.otid, aare(begin), list(components))


def going_on(begin, *components, tid=b"\1\2\3\4", first=True):
    return tcap.build_continue(tid, begin.otid, aare(begin) if first else b"", list(components))


def argument_of(begin, version=2):
    return FAST.decode_argument(begin.components[0].opcode, begin.components[0].parameter, version)


def marked(begin, prefix="99", version=2):
    """The called number of an InitialDP with a prefix, as Connect's destination."""
    called = CalledPartyNumber.decode(argument_of(begin, version).called_party_number)
    return CalledPartyNumber(prefix + called.digits, called.nature).encode()


__all__ = ["RETURNED", "ScriptedScf", "aare", "argument_of", "end", "going_on", "invoke", "m3ua", "marked"]
