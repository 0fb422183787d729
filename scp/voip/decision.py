"""Where a call goes: one pure function from the call and the directory to a plan, a reason, and its path.

A plan is a list of steps that the SIP side takes one after the other until somebody answers. The path names
every condition that was looked at, so that a dry run can show why.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from scp.domain.numbers import Nature, Numbering
from scp.voip.directory import Identity, Mobile
from scp.voip.reason import Reason
from scp.voip.user_rules import NO_RULES

if TYPE_CHECKING:
    from scp.voip.directory import Directory

ANONYMOUS: Final = "sip:anonymous@anonymous.invalid"
"""The From of who is not shown (RFC 3323 §4.1.1.3)."""
MOBILE_SECONDS: Final = 60
"""How long a mobile or a number outside may ring; the network has a timer of its own."""


class Call(Struct, frozen=True):
    """A call as it came.

    Attributes:
        to: user part of the request URI.
        caller: user part of From.
        trunk: name of the trunk that it came by, "" if it came from a device.
        device: id of the device that it came from, "" if it came by a trunk.
        diverted_by: user parts of the addresses that diverted it before, the last one first.
        at: when, in seconds since 1970-01-01 UTC.
        behalf: MSISDN of the identity whose call it is that came by a trunk to a one-time number; "": the
            number is nobody's; None: the call came to no such number.
        hidden: the caller is not to be shown to the called party (RFC 3323 §4.2).
    """

    to: str
    caller: str
    trunk: str = ""
    device: str = ""
    diverted_by: tuple[str, ...] = ()
    at: float = 0.0
    behalf: str | None = None
    hidden: bool = False


class Rules(Struct, frozen=True):
    """What the operator has set.

    Attributes:
        domain: of every address of record.
        numbering: of the home country.
        mark: prefix that the node puts before numbers of calls that it sends here.
        emergency: numbers, as dialled, that always go out and are never charged.
        ring_s: how long devices ring before the next step.
        gateway: host, with port and parameters, of the trunk that calls go out by; "" if there is none.
        international: numbers go to the gateway with the international prefix in place of "+".
        classes: prefixes of numbers, E.164, by the name under which identities bar them.
        passes: the node lets calls to mobiles pass, whatever the gateway makes of who diverted them.
    """

    domain: str
    numbering: Numbering
    mark: str = "99"
    emergency: frozenset[str] = frozenset({"112"})
    ring_s: int = 25
    gateway: str = ""
    international: bool = False
    passes: bool = False
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Step(Struct, frozen=True, omit_defaults=True):
    """One thing to try.

    Attributes:
        seconds: how long.
        aor: whose bindings ring; or
        uri: where the call goes.
        more: further addresses of record whose bindings ring at once with `aor`'s.
        branch: where the call goes at once with `aor`'s bindings: the mobile.
        headers: that go with it, each with its CRLF.
        free: 1: from here on the call takes no minutes of ours.
        passing: 1: the node is asked to let the call pass before it goes there.
    """

    seconds: int
    aor: str = ""
    uri: str = ""
    more: tuple[str, ...] = ()
    branch: str = ""
    headers: str = ""
    free: int = 0
    passing: int = msgspec.field(name="pass", default=0)


class Condition(Struct, frozen=True):
    """One condition of a decision: its name, what it looked at, "yes" or why it does not hold."""

    condition: str
    value: str
    outcome: str


class Plan(Struct, frozen=True):
    """What is to happen.

    Attributes:
        reason: why.
        path: what was looked at, in order.
        steps: to be tried in order; none: `code` is answered.
        code: SIP status with its words in `text`, 0 where there are steps.
        headers: for every step.
        sender: URI that stands in From, "" for the one that came.
        hidden: the called party is not to know who calls.
        called: MSISDN of the identity that is called, "" if it is none of ours.
        caller: E.164 digits of the caller, "" if not known.
        payer: account that pays, "" if the call costs nothing.
        number: E.164 digits that are called.
        fallback: what is left when there are no minutes.
    """

    reason: Reason
    path: tuple[Condition, ...]
    steps: tuple[Step, ...] = ()
    code: int = 0
    text: str = ""
    headers: str = ""
    sender: str = ""
    hidden: bool = False
    called: str = ""
    caller: str = ""
    payer: str = ""
    number: str = ""
    fallback: tuple[Step, ...] = ()


def decide(call: Call, directory: Directory, rules: Rules) -> Plan:
    """Return what is to happen to a call."""
    if call.behalf == "":
        path = (Condition("one-time", call.to, Reason.SPENT),)
        return Plan(
            Reason.SPENT, path, code=404, text="Not Found", caller=calling(call.caller, rules.numbering)
        )
    return (_from_trunk if call.trunk and not call.behalf else _from_device)(call, directory, rules)


# --- from the switch ---


def _from_trunk(call: Call, directory: Directory, rules: Rules) -> Plan:
    path: list[Condition] = []
    marked = bool(rules.mark) and call.to.startswith(rules.mark) and len(call.to) > len(rules.mark)
    path.append(_condition("marked", call.to, marked, f"does not begin with {rules.mark}"))
    dialled = call.to[len(rules.mark) :] if marked else call.to
    number = e164(dialled, rules.numbering)
    path.append(_condition("number", dialled, bool(number), Reason.UNUSABLE_NUMBER))
    identities = directory.called(number) if number else ()
    path.append(_condition("identity", number, bool(identities), Reason.UNKNOWN_IDENTITY))
    caller = calling(call.caller, rules.numbering)
    if not identities:
        return _unknown(marked, dialled, number, caller, rules, path)
    came_back = any(e164(one, rules.numbering) == number for one in call.diverted_by)
    path.append(_condition("first-round", ", ".join(call.diverted_by), not came_back, Reason.CAME_BACK))
    if came_back:
        return Plan(Reason.CAME_BACK, tuple(path), code=480, text="Temporarily Unavailable")
    if turned_away := _by_user_rules(identities, number, caller, call, path):
        return turned_away
    wanted = tuple([one for one in identities if not _minds(one, caller, call)])
    return _to_identities(wanted, number, caller, call.hidden, directory, rules, path)


def _by_user_rules(
    identities: tuple[Identity, ...], number: str, caller: str, call: Call, path: list[Condition]
) -> Plan | None:
    """Return what becomes of a call that the called user does not want, None if nobody minds.

    Of a shared number all have to mind: else those ring who do not (`_to_identities`).
    """
    called = identities[0].msisdn
    ruled = identities[0].rules is not NO_RULES
    blocked = ruled and all(one.rules.blocks(caller, hidden=call.hidden) for one in identities)
    path.append(_condition("not-blocked", "withheld" if call.hidden else caller, not blocked, Reason.BLOCKED))
    if blocked:
        return Plan(
            Reason.BLOCKED, tuple(path), code=603, text="Decline", called=called, caller=caller, number=number
        )
    quiet = ruled and all(_minds(one, caller, call) for one in identities)
    path.append(_condition("not-quiet", identities[0].zone, not quiet, Reason.QUIET))
    if quiet:
        return Plan(
            Reason.QUIET,
            tuple(path),
            code=480,
            text="Temporarily Unavailable",
            called=called,
            caller=caller,
            number=number,
        )
    return None


def _minds(identity: Identity, caller: str, call: Call) -> bool:
    rules = identity.rules
    if rules is NO_RULES:
        return False
    return rules.blocks(caller, hidden=call.hidden) or rules.is_quiet(caller, call.at, identity.zone)


def _unknown(
    marked: bool, dialled: str, number: str, caller: str, rules: Rules, path: list[Condition]
) -> Plan:
    """Send back what the node marked; refuse what came for nobody: this is no relay."""
    if not marked:
        return Plan(Reason.NOT_OURS, tuple(path), code=404, text="Not Found", caller=caller)
    if not rules.gateway:
        return Plan(Reason.NO_GATEWAY, tuple(path), code=503, text="Service Unavailable", caller=caller)
    who = f"+{number}" if number else dialled
    step = _mobile(who, _outside(number, dialled, rules), "unavailable", rules)
    return Plan(Reason.UNKNOWN_IDENTITY, tuple(path), (step,), caller=caller, number=number)


def _to_identities(
    identities: tuple[Identity, ...],
    number: str,
    caller: str,
    hidden: bool,
    directory: Directory,
    rules: Rules,
    path: list[Condition],
) -> Plan:
    first = identities[0]
    bound = [one for one in identities if directory.bindings(one.msisdn)]
    count = sum([directory.bindings(one.msisdn) for one in bound])
    path.append(_condition("device", str(count), bool(bound), Reason.NO_DEVICE))
    why = "no-answer" if bound else "unavailable"
    own = _mobile(f"+{first.msisdn}", _outside(first.msisdn, "", rules), why, rules)
    if hidden:  # the gateway is trusted with it, devices are not (RFC 3325 §7)
        own = replace(own, headers=own.headers + _asserted(caller, rules))
    mobile = (own,) if rules.gateway and first.mobile is not Mobile.NEVER else ()
    rings = _rings(bound, first, own, rules)
    if not rings and not mobile:
        return Plan(
            Reason.NO_DEVICE, tuple(path), code=480, text="Temporarily Unavailable", called=first.msisdn
        )
    return Plan(
        Reason.RINGS_DEVICES if rings else Reason.NO_DEVICE,
        tuple(path),
        (*rings, *mobile),
        headers="" if hidden else _asserted(caller, rules),
        sender=ANONYMOUS if hidden else "",
        hidden=hidden,
        called=first.msisdn,
        caller=caller,
        payer=(first.payer or first.msisdn) if rings else "",
        number=number,
        fallback=mobile,
    )


def _rings(bound: list[Identity], first: Identity, mobile: Step, rules: Rules) -> tuple[Step, ...]:
    """Return the step that rings all that are bound, with the mobile where it rings along."""
    if not bound:
        return ()
    addresses = [aor(one.msisdn, rules.domain) for one in bound]
    along = rules.gateway and first.mobile is Mobile.PARALLEL
    return (
        Step(
            rules.ring_s,
            aor=addresses[0],
            more=tuple(addresses[1:]),
            branch=mobile.uri if along else "",
            headers=_WITHOUT_CALLER.sub("", mobile.headers) if along else "",
        ),
    )


# --- from a device ---


def _from_device(call: Call, directory: Directory, rules: Rules) -> Plan:
    path: list[Condition] = []
    own = call.caller.removeprefix("+")
    identity = directory.identity(own)
    if call.behalf:
        path.append(Condition("one-time", call.behalf, "yes"))
    admitted = identity is not None and (bool(call.behalf) or bool(directory.admits(call.device, own)))
    path.append(_condition("caller", call.caller, admitted, Reason.UNKNOWN_CALLER))
    if identity is None or not admitted:
        return Plan(Reason.UNKNOWN_CALLER, tuple(path), code=403, text="Forbidden")
    if call.hidden:  # of this one call the user does not want to be shown
        identity = replace(identity, presentation="withheld")
    emergency = call.to in rules.emergency
    path.append(Condition("emergency", call.to, "yes" if not emergency else Reason.EMERGENCY))
    if emergency:
        return _out(Reason.EMERGENCY, identity, call, call.to, call.to, rules, path)
    alias = directory.by_alias(call.to)
    number = alias.msisdn if alias is not None else e164(call.to, rules.numbering)
    path.append(_condition("number", call.to, bool(number), Reason.UNUSABLE_NUMBER))
    if not number:
        return Plan(Reason.UNUSABLE_NUMBER, tuple(path), code=484, text="Address Incomplete", caller=own)
    barred = is_barred(identity, number, rules)
    path.append(_condition("allowed", number, not barred, Reason.BARRED))
    if barred:
        return Plan(Reason.BARRED, tuple(path), code=403, text="Barred", caller=own, number=number)
    identities = directory.called(number)
    shown = _shown(identity, rules)
    call = replace(call, hidden=shown.hidden)
    if identities and (turned_away := _by_user_rules(identities, number, own, call, path)):
        return turned_away
    wanted = tuple(one for one in identities if not _minds(one, own, call))
    bound = [one for one in wanted if directory.bindings(one.msisdn)]
    path.append(_condition("device", str(len(bound)), bool(bound), Reason.NO_DEVICE))
    if not bound:
        return _out(Reason.TO_GATEWAY, identity, call, number, "", rules, path)
    first = wanted[0]
    own_mobile = _mobile(f"+{first.msisdn}", _outside(first.msisdn, "", rules), "no-answer", rules)
    own_mobile = replace(own_mobile, headers=own_mobile.headers + shown.trusted)
    rings = _rings(bound, first, own_mobile, rules)
    last = (own_mobile,) if rules.gateway and first.mobile is not Mobile.NEVER else ()
    return Plan(
        Reason.TO_DEVICE,
        tuple(path),
        (*rings, *last),
        headers=shown.headers,
        sender=_sender(identity, call, rules),
        hidden=shown.hidden,
        called=first.msisdn,
        caller=own,
        number=number,
    )


def is_barred(identity: Identity, number: str, rules: Rules) -> bool:
    """Return whether an identity may not call a number."""
    if not identity.barred:
        return False
    classes = dict(rules.classes)
    return any(number.startswith(classes.get(one, one)) for one in identity.barred)


class _Shown(NamedTuple):
    """What says who calls: headers for all, those for the gateway alone, and whether devices may not know."""

    headers: str
    trusted: str
    hidden: bool


def _shown(identity: Identity, rules: Rules) -> _Shown:
    """Return what says who calls, as the user wants it (RFC 3323 §4.2).

    A withheld number goes to the gateway, which is trusted with it, and to no device (RFC 3325 §7).
    """
    if identity.presentation == "withheld":
        return _Shown("Privacy: id\r\n", _asserted(identity.msisdn, rules), hidden=True)
    return _Shown(_asserted(_presented(identity), rules), "", hidden=False)


def _presented(identity: Identity) -> str:
    return identity.presentation if identity.presentation[0].isdigit() else identity.msisdn


def _sender(identity: Identity, call: Call, rules: Rules) -> str:
    """Return the URI for From: phones show it, whatever P-Asserted-Identity says."""
    if identity.presentation == "withheld":
        return ANONYMOUS
    presented = _presented(identity)
    as_it_came = presented == identity.msisdn and not call.behalf
    return "" if as_it_came else aor(presented, rules.domain)


def _out(
    reason: Reason,
    identity: Identity,
    call: Call,
    number: str,
    as_dialled: str,
    rules: Rules,
    path: list[Condition],
) -> Plan:
    """Go out by the gateway, as the caller wants to be shown; an emergency call shows its own number."""
    own = identity.msisdn
    if not rules.gateway:
        path.append(Condition("gateway", "", Reason.NO_GATEWAY))
        return Plan(Reason.NO_GATEWAY, tuple(path), code=503, text="Service Unavailable", caller=own)
    uri = f"sip:{as_dialled or _outside(number, '', rules)}@{rules.gateway}"
    emergency = reason is Reason.EMERGENCY
    if emergency:
        identity = replace(identity, presentation="own")
    shown = _shown(identity, rules)
    return Plan(
        reason,
        tuple(path),
        (Step(MOBILE_SECONDS, uri=uri),),
        headers=shown.headers + shown.trusted,
        sender=_sender(identity, call, rules),
        hidden=shown.hidden,
        caller=own,
        payer="" if emergency else identity.payer or own,
        number=number,
    )


# --- words and addresses ---


def e164(text: str, numbering: Numbering) -> str:
    """Return the E.164 digits of a user part: ``+46…`` or as dialled; "" if it is no telephone number."""
    if text.startswith("+"):
        return numbering.normalise(text[1:], Nature.INTERNATIONAL)[0]
    return numbering.normalise(text, Nature.UNKNOWN)[0]


def calling(text: str, numbering: Numbering) -> str:
    """Return the E.164 digits of a caller that a gateway named: with or without plus, or as dialled there."""
    return e164(text, numbering) or numbering.normalise(text, Nature.INTERNATIONAL)[0]


def is_e164(digits: str) -> bool:
    """Return whether digits are an E.164 number."""
    return 5 <= len(digits) <= 15 and digits.isascii() and digits.isdigit() and digits[0] != "0"


def aor(msisdn: str, domain: str) -> str:
    """Return the address of record of an identity."""
    return f"sip:+{msisdn}@{domain}"


def _outside(number: str, dialled: str, rules: Rules) -> str:
    """Return a number as the gateway wants it."""
    if not number:
        return dialled
    return f"{rules.numbering.international_prefixes[0]}{number}" if rules.international else f"+{number}"


_CAUSES: Final = {"no-answer": 408, "unavailable": 404}
"""Redirecting reasons of RFC 5806 as causes of RFC 4458 §4."""


def _mobile(who: str, number: str, why: str, rules: Rules) -> Step:
    """Return the step back to the switch, with who diverted the call: else it would be steered here again.

    Diversion (RFC 5806) and History-Info (RFC 7044 §7.2) say the same; gateways know one or the other.
    """
    uri = f"sip:{number}@{rules.gateway}"
    headers = (
        f"Diversion: <sip:{who}@{rules.domain}>;reason={why};counter=1\r\n"
        f"History-Info: <sip:{who}@{rules.domain}>;index=1,"
        f"<sip:{number}@{rules.gateway.partition(';')[0]};cause={_CAUSES[why]}>;index=1.1;mp=1\r\n"
    )
    return Step(MOBILE_SECONDS, uri=uri, headers=headers, free=1, passing=int(rules.passes))


def _asserted(caller: str, rules: Rules) -> str:
    """Return the header that says who calls (RFC 3325 §9.1), as far as it is known."""
    return f"P-Asserted-Identity: <sip:+{caller}@{rules.domain}>\r\n" if caller else ""


_WITHOUT_CALLER: Final = re.compile(r"P-Asserted-Identity: [^\r]*\r\n")
"""Devices get what the mobile gets that rings with them."""


def _condition(name: str, value: str, holds: bool, otherwise: str) -> Condition:
    return Condition(name, value, "yes" if holds else str(otherwise))
