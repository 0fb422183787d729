"""M3UA: an ASP towards a gateway (RFC 4666).

Each case is what is said and heard; `m3ua_script` says how to read it.
"""

from __future__ import annotations

from case import Case, Group, Section
from m3ua_script import KEY, REGISTERED, UP, played, registration

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, Role, Timers, TrafficMode

RC7 = AspSettings(routing_contexts=(7,))


def asp(clause: str, purpose: str, script: str, settings: AspSettings = RC7) -> None:
    _asp.add(clause, purpose, played(lambda: Asp(settings), script))


def active(clause: str, purpose: str, script: str, settings: AspSettings = RC7) -> None:
    """The same, beginning with an ASP that is active."""
    asp(clause, purpose, UP + script, settings)


_asp_cases: list[Case] = []
_asp = Section("A", _asp_cases)

# --- coming up ---
_asp.begin()
asp(
    "4.3.4.1",
    "ASPUP is the first message on a new association, on stream 0",
    "connect\n-> ASPUP stream=0\nstate down",
)
asp(
    "3.5.1",
    "A configured ASP Identifier goes in ASPUP",
    "connect\n-> ASPUP id=9",
    AspSettings(asp_identifier=9),
)
asp("3.5.1", "Without one configured there is no ASP Identifier", "connect\n-> ASPUP id=-")
asp(
    "4.3.4.1",
    "ASPUP ACK makes the ASP inactive; ASPAC follows",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=7 mode=2 stream=0\nstate inactive",
)
asp(
    "4.3.4.1",
    "ASPUP is sent again every T(ack), without end",
    "connect\n-> ASPUP\nwait 1.9\nwait 0.1\n-> ASPUP\nwait 8\n-> ASPUP after=2\n-> ASPUP after=4\n-> ASPUP after=6\n-> ASPUP\nstate down",
)
asp(
    "4.3.4.3",
    "ASPAC ACK makes the ASP active",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC\n<- ASPAC ACK rc=7\nstate active",
)
asp(
    "4.3.4.3",
    "ASPAC is sent again after T(ack); unanswered, the ASP begins anew with ASPUP",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC\nwait 2\n-> ASPAC\nwait 2\n-> ASPAC\nwait 2\n-> ASPUP\nstate down",
)
for mode in (TrafficMode.OVERRIDE, TrafficMode.LOADSHARE, TrafficMode.BROADCAST):
    asp(
        "3.7.1",
        f"ASPAC asks for the configured traffic mode: {mode.name.lower()}",
        f"connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC mode={mode.value}",
        AspSettings(traffic_mode=mode),
    )
asp(
    "3.7.1",
    "Without a routing context or traffic mode configured, ASPAC has neither",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=- mode=-",
    AspSettings(traffic_mode=TrafficMode.UNSPECIFIED),
)
asp(
    "4.3.4.5",
    "A NTFY while coming up does not disturb",
    "connect\n-> ASPUP\n<- NTFY status=1.2\n<- ASPUP ACK\n-> ASPAC\n<- NTFY status=1.2\n<- ASPAC ACK\nstate active",
)
asp(
    "4.3.1",
    "A lost association makes the ASP down; the next one begins with ASPUP",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC\nlost\nstate down\nconnect\n-> ASPUP",
)

# --- traffic ---
_asp.begin()
asp(
    "4.3.4.3",
    "Before ASPAC ACK nothing of ours is sent",
    "connect\n-> ASPUP\nsend sls=1\nunsent\n<- ASPUP ACK\n-> ASPAC\nsend sls=1\nunsent",
)
active(
    "1.4.7",
    "DATA goes on the stream of its SLS, never on stream 0",
    "send sls=0\n-> DATA rc=7 stream=1\nsend sls=1\n-> DATA rc=7 stream=2\nsend sls=2\n-> DATA rc=7 stream=1",
)
active(
    "3.3.1", "DATA has the routing context of the application server", "send sls=3\n-> DATA rc=7 sls=3 na=-"
)
asp(
    "3.3.1",
    "DATA has no routing context where none is configured",
    UP.replace(" rc=7", "") + "send sls=3\n-> DATA rc=-",
    AspSettings(),
)
active("3.3.1", "DATA for our routing context is delivered", "<- DATA rc=7\ndelivered 1")
active("3.3.1", "DATA without a routing context is delivered", "<- DATA\ndelivered 1")
active(
    "3.8.1",
    "DATA for another routing context: ERR invalid routing context, not delivered",
    "<- DATA rc=8\n-> ERR error=19 rc=8\ndelivered 0\ndiscards routing-context",
)
asp(
    "3.8.1",
    "DATA of another network: ERR invalid network appearance, not delivered",
    UP + "<- DATA rc=7 na=3\n-> ERR error=15 na=3\ndelivered 0\ndiscards network-appearance",
    AspSettings(routing_contexts=(7,), network_appearance=1),
)
active(
    "3.8.1",
    "DATA on stream 0: ERR invalid stream identifier, once; it is delivered all the same",
    "<- DATA rc=7 stream=0\n-> ERR error=09\n<- DATA rc=7 stream=0\ndelivered 2\n"
    "discards data-on-stream-0 data-on-stream-0",
)
asp(
    "4.3.4.3",
    "DATA that overtook its ASPAC ACK is delivered",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC\n<- DATA rc=7\ndelivered 1\n<- ASPAC ACK rc=7\nstate active",
)
asp(
    "3.8.1",
    "DATA while inactive is discarded, without an answer",
    UP + "deactivate\n-> ASPIA\n<- ASPIA ACK\n<- DATA rc=7\ndelivered 0\ndiscards not-active",
)

# --- going down ---
_asp.begin()
active(
    "4.3.4.4",
    "To end traffic the ASP says ASPIA, and is inactive with its ACK",
    "deactivate\n-> ASPIA rc=7\nstate active\n<- ASPIA ACK rc=7\nstate inactive",
)
active(
    "4.3.4.4",
    "DATA under way is delivered, and answered, until ASPIA is acknowledged",
    "deactivate\n-> ASPIA\n<- DATA rc=7\ndelivered 1\nsend sls=1\n-> DATA rc=7\n<- ASPIA ACK\nsend sls=1\nunsent",
)
active(
    "4.3.4.4",
    "ASPIA without an answer is sent again, then taken for granted",
    "deactivate\n-> ASPIA\nwait 6\n-> ASPIA after=2\n-> ASPIA after=4\nstate inactive\nwait 60",
)
active(
    "4.3.4.2",
    "To go down: ASPIA, then ASPDN",
    "down\n-> ASPIA\n<- ASPIA ACK\n-> ASPDN stream=0\nstate inactive\n<- ASPDN ACK\nstate down\nwait 60",
)
active(
    "4.3.4.2",
    "ASPDN without an answer is sent again, then taken for granted",
    "down\n-> ASPIA\n<- ASPIA ACK\n-> ASPDN\nwait 6\n-> ASPDN after=2\n-> ASPDN after=4\nstate down\nwait 60",
)
active(
    "4.3.4.4",
    "After an unsolicited ASPIA ACK the ASP asks to be active again",
    "<- ASPIA ACK rc=7\n-> ASPAC rc=7\nstate inactive\n<- ASPAC ACK\nstate active",
)
active(
    "4.3.4.2",
    "After an unsolicited ASPDN ACK the ASP comes up again",
    "<- ASPDN ACK\n-> ASPUP\nstate down\n<- ASPUP ACK\n-> ASPAC\n<- ASPAC ACK\nstate active",
)
active(
    "4.3.4.1",
    "An unexpected ASPUP ACK while active: ERR unexpected message, inactive, active again",
    "<- ASPUP ACK\n-> ERR error=06\n-> ASPAC\nstate inactive\n<- ASPAC ACK\nstate active",
)
active("4.3.4.3", "A second ASPAC ACK changes nothing", "<- ASPAC ACK rc=7\nstate active")

# --- notifications and the other ASPs of the AS ---
_asp.begin()
active(
    "3.8.2",
    "NTFY AS-INACTIVE, AS-ACTIVE and AS-PENDING tell the state of the AS",
    "<- NTFY status=1.2\nas inactive\n<- NTFY status=1.3\nas active\n<- NTFY status=1.4\nas pending\nstate active",
)
active(
    "4.3.4.3",
    "NTFY alternate ASP active: the ASP is inactive and does not fight for the traffic",
    "<- NTFY status=2.2\nstate inactive\nsend sls=1\nunsent\nwait 60",
)
active(
    "4.3.4.5",
    "An overridden ASP steps in when the AS is pending",
    "<- NTFY status=2.2\n<- NTFY status=1.4\n-> ASPAC\n<- ASPAC ACK\nstate active",
)
active(
    "4.3.4.5",
    "An overridden ASP steps in when the AS has too few ASPs",
    "<- NTFY status=2.2\n<- NTFY status=2.1\n-> ASPAC\nstate inactive\n<- ASPAC ACK\nstate active",
)
active(
    "4.3.4.3",
    "An overridden ASP takes over when its administration wants it to",
    "<- NTFY status=2.2\nactivate\n-> ASPAC\nstate inactive\n<- ASPAC ACK\nstate active",
)
active(
    "3.8.2",
    "NTFY insufficient ASP resources, ASP failure or an unknown status to an active ASP compels nothing",
    "<- NTFY status=2.1\n<- NTFY status=2.3\n<- NTFY status=7.7\nstate active",
)
active(
    "3.8.1",
    "A NTFY for another routing context: ERR invalid routing context",
    "<- NTFY status=1.4 rc=9\n-> ERR error=19 rc=9\ndiscards routing-context\nas down\nstate active",
)

# --- errors ---
_asp.begin()
active(
    "3.8.1",
    "Another version than 1: ERR invalid version",
    "<< 0200030400000008\n-> ERR error=01\ndiscards malformed\nstate active",
)
active(
    "3.8.1",
    "An unknown class: ERR unsupported message class",
    "<< 0100050100000008\n-> ERR error=03\ndiscards malformed\nstate active",
)
active(
    "3.8.1",
    "An unknown type: ERR unsupported message type",
    "<< 0100030900000008\n-> ERR error=04\ndiscards malformed\nstate active",
)
active(
    "3.8.1",
    "A length that does not fit: ERR protocol error",
    "<< 0100030400000108\n-> ERR error=07\ndiscards malformed\nstate active",
)
active(
    "3.8.1",
    "A mandatory parameter is missing: ERR missing parameter",
    "<< 0100000100000008\n-> ERR error=16\ndiscards malformed\nstate active",
)
active(
    "3.2",
    "A parameter twice that is no list: ERR unexpected parameter",
    "<< 0100000100000018000d000800010003000d000800010003\n-> ERR error=13\ndiscards malformed\nas down",
)
active(
    "3.8.1",
    "A parameter of a wrong length: ERR parameter field error",
    "<< 0100000100000010000d000600010000\n-> ERR error=12\ndiscards malformed\nas down",
)
active(
    "3",
    "A parameter that RFC 4666 does not define is ignored",
    "<< 01000001000000187abc000800010003000d000800010003\nas active\ndiscards further-parameter",
)
active(
    "3",
    "A parameter that RFC 4666 lists for another message is ignored",
    "<< 0100000100000018000b000800000001000d000800010003\nas active\ndiscards further-parameter",
)
active(
    "1.4.7",
    "A management message on another stream than 0: ERR invalid stream identifier",
    "<- ASPUP ACK stream=1\n-> ERR error=09\ndiscards stream\nstate active",
)
for request in ("ASPUP", "ASPDN", "ASPAC", "ASPIA", "DAUD pc=1"):
    active(
        "3.8.1",
        f"{request.split()[0]} to an ASP: ERR unexpected message",
        f"<- {request}\n-> ERR error=06\ndiscards unexpected-message\nstate active",
    )
active(
    "3.8.1",
    "ERR is never answered, not even one that is malformed or of another version",
    "<- ERR error=07\n<- ERR error=99\n<< 0200000000000008\n<< 0100000000000008\nstate active\n"
    "discards malformed malformed",
)
active(
    "4.3.4.3",
    "ERR unexpected message in answer to DATA: the ASP asks, and goes on where that is acknowledged",
    "send sls=1\n-> DATA rc=7\n<- ERR error=06 rc=7\n-> ASPAC\nstate active\n<- ASPAC ACK\nstate active\nwait 60",
)
active(
    "4.3.4.3",
    "ERR unexpected message in answer to DATA: the ASP asks, and begins anew where it is unknown",
    "send sls=1\n-> DATA rc=7\n<- ERR error=06\n-> ASPAC\nwait 2\n-> ASPAC\nwait 2\n-> ASPAC\nwait 2\n-> ASPUP\nstate down",
)
asp(
    "3.8.1",
    "ERR refused, management blocking, in answer to ASPUP: asked again after T(retry) only",
    "connect\n-> ASPUP\n<- ERR error=0d\nwait 9.9\nwait 0.1\n-> ASPUP",
)
asp(
    "3.8.1",
    "ERR no configured AS in answer to ASPAC: asked again after T(retry) only",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC\n<- ERR error=1a\nwait 9.9\nstate inactive\nwait 0.1\n"
    "-> ASPUP\n<- ASPUP ACK\n-> ASPAC",
)

# --- heartbeat ---
BEATING = AspSettings(routing_contexts=(7,), timers=Timers(beat=30.0))
_asp.begin()
active(
    "3.5.6",
    "BEAT comes back as BEAT ACK with its data unchanged",
    "<- BEAT beat=0102030405\n-> BEAT ACK beat=0102030405",
)
asp(
    "4.3.4.6",
    "BEAT is answered while down",
    "connect\n-> ASPUP\n<- BEAT beat=aa\n-> BEAT ACK beat=aa\nstate down",
)
active(
    "4.3.4.6",
    "Our own BEAT goes every T(beat)",
    "wait 30\n-> BEAT beat=00000001\n<- BEAT ACK\nwait 30\n-> BEAT beat=00000002",
    BEATING,
)
active(
    "4.3.4.6",
    "Twice T(beat) without a sign of the peer brings the association down",
    "wait 30\n-> BEAT beat=00000001\nwait 29.9\nwait 0.1\nbrings down",
    BEATING,
)

# --- destinations ---
_asp.begin()
active(
    "3.4.1",
    "DUNA: the destination is unavailable",
    "<- DUNA pc=185\nmtp pause 185\nknown 185 unavailable\nknown 186 available",
)
active(
    "3.4.2",
    "DAVA: it is available again",
    "<- DUNA pc=185\n<- DAVA pc=185\nmtp pause 185, resume 185\nknown 185 available",
)
active("3.4.6", "DRST: it is restricted", "<- DRST pc=185\nmtp restricted 185\nknown 185 restricted")
active(
    "3.4.1",
    "A mask covers a range of point codes",
    "<- DUNA pc=256/4\nmtp pause 256/4\nknown 255 available\nknown 256 unavailable\nknown 271 unavailable\nknown 272 available",
)
for mask in (14, 24, 25, 255):
    active(
        "3.4.1",
        f"A mask of {mask}, as many bits as a point code has or more: DUNA of the whole network, and DAVA",
        f"<- DUNA pc=185/{mask}\nmtp pause 185/{mask}\nknown 0 unavailable\nknown 185 unavailable\n"
        f"known 16383 unavailable\n<- DAVA pc=0/{mask}\nmtp resume 0/{mask}\nknown 0 available\n"
        "known 185 available\nknown 16383 available",
    )
active(
    "3.4.4",
    "SCON: it is congested, for as long as the timer says",
    "<- SCON pc=185 level=2\nmtp status congested 2 185\ncongested 185 2\nwait 9.9\ncongested 185 2\nwait 0.2\ncongested 185 0",
)
active(
    "3.4.4",
    "SCON without a level is congestion; level 0 ends it",
    "<- SCON pc=185\nmtp status congested 1 185\ncongested 185 1\n<- SCON pc=185 level=0\n"
    "mtp status congested 0 185\ncongested 185 0",
)
active(
    "3.4.5",
    "DUPU is noted and not answered",
    "<- DUPU pc=185 user=1.3\nmtp status user 3 cause 1 185\nstate active",
)
active(
    "4.3.1",
    "With the association, what was said of destinations is forgotten",
    "<- DUNA pc=185\nmtp pause 185\nlost\nknown 185 available",
)
asp(
    "4.5.3",
    "Configured destinations are audited when the ASP becomes active",
    UP.replace("state active", "-> DAUD pc=185,186 rc=7"),
    AspSettings(routing_contexts=(7,), audit=(185, 186)),
)

# --- routing key management ---
REGISTERS = AspSettings(key=KEY)
_asp.begin()
asp(
    "4.4.1",
    "A configured routing key is registered before ASPAC, which has the assigned routing context",
    REGISTERED + registration(42) + "-> ASPAC rc=42\n<- ASPAC ACK rc=42\nsend sls=1\n-> DATA rc=42",
    REGISTERS,
)
asp(
    "3.6.2",
    "A registration that is refused is tried again after T(retry)",
    REGISTERED
    + registration(0, status=7)
    + "state inactive\nwait 9.9\nwait 0.1\n-> ASPUP\n<- ASPUP ACK\n-> REG REQ",
    REGISTERS,
)
asp(
    "4.4.1",
    "A gateway without routing key management is asked again after T(retry)",
    REGISTERED + "<- ERR error=03\nwait 9.9\nwait 0.1\n-> ASPUP\n<- ASPUP ACK\n-> REG REQ",
    REGISTERS,
)
asp(
    "4.4.1",
    "The key is registered anew on each association, and may be assigned another routing context",
    REGISTERED
    + registration(42)
    + "-> ASPAC rc=42\n<- ASPAC ACK\nstate active\nlost"
    + REGISTERED
    + registration(43)
    + "-> ASPAC rc=43\n<- ASPAC ACK\nstate active",
    REGISTERS,
)
asp(
    "4.4.1",
    "REG REQ is sent again after T(ack); unanswered, the ASP begins anew with ASPUP",
    REGISTERED + "wait 2\n-> REG REQ\nwait 2\n-> REG REQ\nwait 2\n-> ASPUP\nstate down",
    REGISTERS,
)
asp(
    "3",
    "A REG RSP with an INFO String, which it does not list, registers all the same",
    REGISTERED + registration(42, "0004000868656c6f") + "-> ASPAC rc=42\ndiscards further-parameter",
    REGISTERS,
)

# --- IPSP ---
IPSP = AspSettings(role=Role.IPSP, routing_contexts=(7,))
_asp.begin()
asp(
    "4.3.4.1.2",
    "An IPSP answers the ASPUP and ASPAC of its peer (single exchange)",
    "connect\n-> ASPUP\n<- ASPUP\n-> ASPUP ACK\n-> ASPAC\n<- ASPAC rc=7\n-> ASPAC ACK rc=7\nstate active",
    IPSP,
)
asp(
    "4.3.4.4",
    "An IPSP that its peer makes inactive waits for it",
    UP
    + "<- ASPIA rc=7\n-> ASPIA ACK rc=7\nstate inactive\nwait 60\n<- ASPAC rc=7\n-> ASPAC ACK rc=7\nstate active",
    IPSP,
)
asp(
    "4.3.4.2",
    "An IPSP that its peer takes down comes up again after T(retry)",
    UP + "<- ASPDN\n-> ASPDN ACK\nstate down\nwait 9.9\nwait 0.1\n-> ASPUP",
    IPSP,
)

# --- several application servers in one association ---
BOTH = AspSettings(routing_contexts=(7, 9))
BOTH_UP = """
    connect
    -> ASPUP
    <- ASPUP ACK
    -> ASPAC rc=7,9
    <- ASPAC ACK rc=7,9
    state active rc=7
    state active rc=9
"""
_asp.begin()
asp("3.7.1", "One ASPAC asks for all application servers that the ASP serves", BOTH_UP, BOTH)
asp(
    "4.3.4.3",
    "ASPAC ACK for one makes that one active; the other is asked for again after T(ack)",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=7,9\n<- ASPAC ACK rc=9\nstate active\nstate inactive rc=7\n"
    "state active rc=9\nwait 2\n-> ASPAC rc=7\n<- ASPAC ACK rc=7\nstate active rc=7",
    BOTH,
)
asp(
    "4.3.4.3",
    "ASPAC ACK without a routing context is for all",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=7,9\n<- ASPAC ACK\nstate active rc=7\nstate active rc=9",
    BOTH,
)
asp(
    "4.3.4.3",
    "One that the gateway refuses is asked for again after T(retry), never by ASPUP while another is served",
    "connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=7,9\n<- ASPAC ACK rc=7\n<- ERR error=19 rc=9\nwait 9.9\nwait 0.1\n"
    "-> ASPAC rc=9\nwait 2\n-> ASPAC rc=9\nwait 2\n-> ASPAC rc=9\nwait 2\n-> ASPAC rc=9\nstate active rc=7",
    BOTH,
)
for named, who in (("", "without a routing context"), (" rc=7,9", "of both")):
    asp(
        "4.3.4.3",
        f"An ERR {who} to the ASPAC for both: each is asked for by itself, what is refused again after T(retry)",
        f"connect\n-> ASPUP\n<- ASPUP ACK\n-> ASPAC rc=7,9\n<- ERR error=19{named}\n-> ASPAC rc=7\n"
        "<- ERR error=19\n-> ASPAC rc=9\n<- ASPAC ACK rc=9\nstate inactive rc=7\nstate active rc=9\n"
        "send sls=1\n-> DATA rc=9\nwait 9.9\nwait 0.1\n-> ASPAC rc=7\n<- ERR error=19\nstate active rc=9\n"
        "wait 10\n-> ASPAC rc=7\n<- ASPAC ACK rc=7\nstate active rc=7",
        BOTH,
    )
asp(
    "3.3.1",
    "DATA goes with the routing context of what it answers",
    BOTH_UP + "send sls=3 rc=9\n-> DATA rc=9\nsend sls=3 rc=7\n-> DATA rc=7\nsend sls=3\n-> DATA rc=7",
    BOTH,
)
asp("3.3.1", "DATA for either is delivered", BOTH_UP + "<- DATA rc=7\n<- DATA rc=9\ndelivered 2", BOTH)
asp(
    "3.8.1",
    "DATA without a routing context: ERR no configured AS for ASP, not delivered",
    BOTH_UP + "<- DATA\n-> ERR error=1a rc=-\ndelivered 0\ndiscards routing-context",
    BOTH,
)
asp(
    "3.8.1",
    "DATA for one that is inactive is discarded, without an answer",
    BOTH_UP + "<- NTFY status=2.2 rc=9\n<- DATA rc=9\n<- DATA rc=7\ndelivered 1\ndiscards not-active",
    BOTH,
)
asp(
    "3.8.1",
    "A routing context among others that is none of ours: ERR invalid routing context; the others count",
    BOTH_UP + "<- NTFY status=1.3 rc=9,8\n-> ERR error=19 rc=8\nas active rc=9\nas down rc=7",
    BOTH,
)
asp(
    "4.3.4.5",
    "NTFY tells the state of the AS that it names",
    BOTH_UP + "<- NTFY status=1.3 rc=7\n<- NTFY status=1.4 rc=9\nas active rc=7\nas pending rc=9",
    BOTH,
)
asp(
    "4.3.4.3",
    "Overridden in one AS, the ASP stays active in the other",
    BOTH_UP + "<- NTFY status=2.2 rc=9\nstate active rc=7\nstate inactive rc=9\nstate active\nwait 60\n"
    "<- NTFY status=1.4 rc=9\n-> ASPAC rc=9\n<- ASPAC ACK rc=9\nstate active rc=9",
    BOTH,
)
asp(
    "4.3.4.4",
    "After an unsolicited ASPIA ACK for one the ASP asks to be active in it again",
    BOTH_UP + "<- ASPIA ACK rc=9\n-> ASPAC rc=9\nstate active rc=7\nstate inactive rc=9\n<- ASPAC ACK rc=9\n"
    "state active rc=9",
    BOTH,
)
asp(
    "4.3.4.2",
    "To go down: ASPIA for all, and ASPDN when the last is acknowledged",
    BOTH_UP + "down\n-> ASPIA rc=7,9\n<- ASPIA ACK rc=9\nstate inactive rc=9\n<- ASPIA ACK rc=7\n-> ASPDN\n"
    "<- ASPDN ACK\nstate down\nwait 60",
    BOTH,
)
asp(
    "4.3.4.1",
    "An unexpected ASPUP ACK: ERR unexpected message, once, and all are asked for again",
    BOTH_UP
    + "<- ASPUP ACK\n-> ERR error=06\n-> ASPAC rc=7,9\nstate inactive\n<- ASPAC ACK\nstate active rc=7\n"
    "state active rc=9",
    BOTH,
)
asp(
    "4.5.3",
    "Configured destinations are audited for those that became active",
    BOTH_UP.replace("state active rc=7", "-> DAUD pc=185 rc=7,9\nstate active rc=7"),
    AspSettings(routing_contexts=(7, 9), audit=(185,)),
)
asp(
    "4.3.4.3",
    "An IPSP grants what it serves of an ASPAC, and says ERR for the rest",
    "connect\n-> ASPUP\n<- ASPUP\n-> ASPUP ACK\n-> ASPAC rc=7,9\n<- ASPAC rc=9,8\n-> ERR error=19 rc=8\n"
    "-> ASPAC ACK rc=9\nstate active rc=9\nstate inactive rc=7",
    AspSettings(role=Role.IPSP, routing_contexts=(7, 9)),
)


ASP = Group(
    "A",
    "M3UA: ASP towards a gateway",
    "RFC 4666",
    "`Asp`, the machine of the roles asp, asp-listen and ipsp",
    tuple(_asp_cases),
)
