"""``camel-scp explain``: how a call would be decided, by a running node or by rules and a store here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scp.capture.inputs import AsJson, open_capture
from scp.command import configuration, fail, say
from scp.domain.call import Trigger
from scp.domain.reason import Reason
from scp.replay.inputs import ConfigFile, Store, Token, records_of, services_of, token_of

if TYPE_CHECKING:
    from pathlib import Path

    from scp.capture.json_view import JsonDict
    from scp.config import Config
    from scp.domain.call import CallFacts
    from scp.domain.reservation import Account
    from scp.domain.rules import Rules
    from scp.replay.explain import Explanation

# ruff: noqa: PLC0415 - the command imports what it needs when it runs

DEFAULT_NODE: Final = "http://127.0.0.1:8080"
"""The node that is asked by default: [api] listens there."""
_CALL: Final = "The call"
_ASK: Final = "What decides"
_RULES: Final = "With --store and no --config"


def _option(text: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel)


def explain(
    *,
    b: Annotated[str, _option("called number, as dialled or with +", _CALL, "--b")] = "",
    a: Annotated[str, _option("calling number; with --capture, picks the call", _CALL, "--a")] = "",
    trigger: Annotated[
        Trigger,
        _option("what triggers the InitialDP: the called or the calling party, or a forwarding", _CALL),
    ] = Trigger.TERMINATING,
    vlr: Annotated[str, _option("VLR number of the called subscriber, E.164 digits", _CALL)] = "",
    redirecting: Annotated[str, _option("number that diverted the call last", _CALL)] = "",
    redirections: Annotated[int, _option("how often it was diverted", _CALL)] = 0,
    service_key: Annotated[int, _option("which service; the first that steers if not given", _CALL)] = -1,
    capture: Annotated[str, _option("take the call from this capture: --frame, --a or --b", _CALL)] = "",
    frame: Annotated[int, _option("number of the packet with the call's InitialDP", _CALL)] = 0,
    node: Annotated[
        str, _option(f"a running node: its API's base URL; if nobody is named, {DEFAULT_NODE}", _ASK)
    ] = "",
    config: ConfigFile = None,
    store: Store = "",
    token: Token = "",
    country_code: Annotated[str, _option("of the home country; not needed for +46…", _RULES)] = "",
    international_prefix: Annotated[str, _option("of dialled numbers", _RULES)] = "00",
    national_prefix: Annotated[str, _option('of dialled numbers; "": none', _RULES)] = "0",
    home_vlr: Annotated[
        list[str] | None, _option("VLR numbers that begin so are at home; again for more", _RULES)
    ] = None,
    prefix: Annotated[str, _option("what marks a number", _RULES)] = "99",
    ask: Annotated[
        bool, _option("have a running node ask the HLR where it would for a call", _ASK, "--ask")
    ] = False,
    json: AsJson = False,
) -> None:
    """Say what would happen to a call, and why: every condition that was asked, and its outcome.

    Asked is a running node (--node), or a configuration and its store (--config), or a store (--store).
    """
    by_node = bool(node) or not (config or store)
    _check_options(b, capture, by_node=by_node, ask=ask)
    diverted = (redirecting, redirections)
    if by_node:
        shown = _asked(
            node, token, b, a=a, trigger=trigger, vlr=vlr, diverted=diverted, key=service_key, ask=ask
        )
    else:
        idp = _request(capture, frame, a, b) if capture else None
        key = service_key if idp is None or service_key >= 0 else idp.service_key
        service: Any = None
        if config:
            service, where = _configured(config, key)
            rules = service.rules
        else:
            rules = _typed(country_code, international_prefix, national_prefix, home_vlr or (), prefix)
            where = ""
        facts, decided = _decided(
            rules, store or where, token, idp, (a, b), service, trigger=trigger, vlr=vlr, diverted=diverted
        )
        if config and service is not None:
            decided = _with_charge(decided, config, service, facts, idp, (a, redirecting))
        shown = decided.as_json()
    _print(shown, b, json=json)


def _check_options(b: str, capture: str, *, by_node: bool, ask: bool) -> None:
    """Fail where the options name no call, or ask what this way of deciding can't give."""
    if not (b or capture):
        raise fail("which call? give --b NUMBER, or --capture FILE")
    if by_node and capture:
        raise fail("a captured call needs rules: give --config, or --store with the numbering options")
    if ask and not by_node:
        raise fail(
            "--ask has a running node ask the HLR, and nothing is asked from here: "
            "start the node (camel-scp serve), give its API's URL by --node, and no --config or --store"
        )


def _asked(
    node: str,
    token: str,
    b: str,
    *,
    a: str,
    trigger: Trigger,
    vlr: str,
    diverted: tuple[str, int],
    key: int,
    ask: bool,
) -> JsonDict:
    """Return the answer of a node's dry run."""
    import msgspec

    from scp.client import ApiError, Client, TransportError, decide

    base = node or DEFAULT_NODE
    if not node:
        say(f"asking the node at {base}; --node, --config or --store choose another")
    call = decide(
        b,
        a_number=a or None,
        trigger=trigger.value,
        vlr=vlr or None,
        redirecting_number=diverted[0] or None,
        redirections=diverted[1],
        service_key=None if key < 0 else key,
        ask_hlr=ask,
    )
    try:
        with Client(base, token_of(token)) as client:
            shown: JsonDict = msgspec.to_builtins(client.send(call))
    except ApiError as error:
        said = [f"{each.path}: {each.reason}" for each in error.problem.errors]
        faults = "".join(f"; {each}" for each in said if each not in str(error))  # its detail has the first
        raise fail(f"{base}: {error}{faults}") from None
    except TransportError as error:
        why = "--ask has a running node ask the HLR; " if ask else ""
        raise fail(f"{why}{base}: {error}; does a node run there, with [api] in its configuration?") from None
    return shown


def _configured(config: Path, service_key: int) -> tuple[Any, str]:
    """Return a configuration's service that decides by rules, and where its store is."""
    from scp.replay.explain import rules_of

    settings = configuration(config)
    services = services_of(settings)
    found = [services.get(service_key)] if service_key >= 0 else list(services.values())
    for service in found:
        rules = rules_of(service)
        if rules is not None:
            return service, settings.store.url.reveal()
    what = f"service key {service_key}" if service_key >= 0 else str(config)
    raise fail(f"{what} has no service that steers by a subscriber's record")


def _typed(
    country_code: str, international: str, national: str, home_vlr: tuple[str, ...] | list[str], prefix: str
) -> Rules:
    """Return rules of options, and say them: what would happen depends on them."""
    import msgspec

    from scp.domain.rules import Rules

    plan = {"country_code": country_code or _NOWHERE, "national_prefix": national, "home_vlr": home_vlr}
    try:
        rules = msgspec.convert(
            {"numbering": {**plan, "international_prefix": international}, "prefix": prefix}, Rules
        )
    except msgspec.ValidationError as error:
        raise fail(f"numbering: {error}") from None
    say(
        f"numbering: country code {country_code or 'not given'}, prefixes {international} and "
        f"{national or 'none'}, at home {', '.join(home_vlr) or 'nowhere'}, marked with {prefix}"
    )
    return rules


_NOWHERE: Final = "210"
"""Stands for a country code that is not given: one that is assigned to no country (ITU-T E.164, annex)."""


def _decided(
    rules: Rules,
    store: str,
    token: str,
    idp: Any,
    typed: tuple[str, str],
    service: Any,
    *,
    trigger: Trigger,
    vlr: str,
    diverted: tuple[str, int],
) -> tuple[CallFacts, Explanation]:
    """Return a call's facts, and the decision on it by rules and a store; ``typed``: calling, called."""
    from scp.domain.call import typed_diversion
    from scp.replay.explain import explain_call, typed_call
    from scp.services.charge_explained import typed_party
    from scp.services.idp import read_call
    from scp.services.whereabouts import asking_of

    facts = (
        read_call(idp, rules.numbering)
        if idp is not None
        else typed_call(
            typed[1], rules, trigger=trigger, vlr=vlr.removeprefix("+"), diversion=typed_diversion(*diverted)
        )
    )
    if rules.numbering.country_code == _NOWHERE and facts.e164.startswith(_NOWHERE):
        raise fail(f"which country's is {facts.digits}? --country-code 46, or write it +46…")
    caller = None if idp is not None else typed_party(rules.numbering, typed[0])
    return facts, explain_call(facts, rules, records_of(store, token), asking_of(service), caller)


def _with_charge(
    decided: Explanation, config: Path, service: Any, facts: CallFacts, idp: Any, typed: tuple[str, str]
) -> Explanation:
    """Return the explanation with what the call would be charged; ``typed``: calling, diverting number."""
    import time

    from scp.charging.clock import local_clock
    from scp.domain.tariff import TariffTable
    from scp.replay.explain import Explanation
    from scp.services.charge_explained import Prices, cost_steps, payment, typed_party
    from scp.services.idp import calling_e164, party_e164

    settings = configuration(config)
    numbering = settings.numbering
    if idp is not None:
        parties = calling_e164(idp, numbering), party_e164(idp.redirecting_party_id, numbering)
    else:
        parties = typed_party(numbering, typed[0]), typed_party(numbering, typed[1])
    who = payment(service, numbering, facts, decided.decision, parties)
    charging = settings.charging
    at = local_clock(charging.timezone)(int(time.time() * 1000))
    prices = Prices(TariffTable(charging.tariffs), charging.currency, charging.elsewhere, at)
    account = None if who.paid is None else _account(settings, who.paid.account)
    return Explanation(decided.decision, (*decided.steps, *who.steps, *cost_steps(who, prices, account)))


def _account(settings: Config, msisdn: str) -> Account | str | None:
    """Return an account as its ledger has it, beside a running node; words: why it can't be read."""
    import asyncio

    from scp.ports import StoreError
    from scp.store.beside import open_ledger

    async def read() -> Account | None:
        ledger = open_ledger(
            settings.charging.ledger and settings.charging.ledger.reveal(),
            settings.store.url.reveal(),
            settings.node.name,
            read_only=True,
        )
        await ledger.open()
        try:
            return await ledger.account(msisdn)
        finally:
            await ledger.close()

    try:
        return asyncio.run(read())
    except StoreError as error:
        return str(error)


def _request(capture: str, frame: int, a: str, b: str) -> Any:
    from scp.capture.initial_dp import find_initial_dp

    idp = find_initial_dp(open_capture(capture), frame, a, b)
    if idp is None:
        raise fail("no such InitialDP in the capture")
    return idp


def _print(shown: JsonDict, typed: str, *, json: bool) -> None:
    """Print an explanation; ``typed``: the called number, if it was given by hand."""
    import msgspec

    from scp.replay.tables import print_explanation

    if json:
        typer.echo(msgspec.json.encode(shown))
    else:
        print_explanation(shown)
    if shown["reason"] == Reason.LOCAL_NUMBER and typed:
        say(f"{typed} is taken as dialled; if it is an E.164 number: --b +{typed}")
