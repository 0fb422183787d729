"""Control of short messages in a replay: what `scp.engine.cap.sms` needs of a node, without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from scp.domain.cdr import attempt_of
from scp.domain.decision import Action, Decision
from scp.domain.quota import QuotaGrant, Settled
from scp.domain.reason import Reason
from scp.engine.cap.sms import SmsControlUser
from scp.replay.dialogues import ReplayedDialogue
from scp.replay.explain import rules_of
from scp.services.message_record import SERVICE
from scp.telemetry.null import NullTelemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.domain.cdr import Row
    from scp.domain.quota import QuotaRequest, Usage
    from scp.domain.rules import Rules
    from scp.engine.cap.sms import SmsPolicy
    from scp.engine.tc import TcProvider
    from scp.ports import QuotaWaiter, SubscriberLookup
    from scp.services.api import Service
    from scp.stack.tcap import Dialogue


class MessageSettings(NamedTuple):
    """How a node controls messages.

    Attributes:
        policy: `[sms_control]`.
        rules: by which messages are decided; None: no service steers.
    """

    policy: SmsPolicy
    rules: Rules | None


def settings_of(policy: SmsPolicy | None, services: Mapping[int, Service]) -> MessageSettings | None:
    """Return how messages are controlled: by the rules of the first service that steers, as in a node."""
    if policy is None:
        return None
    found = (rules_of(service) for service in services.values())
    return MessageSettings(policy, next((rules for rules in found if rules is not None), None))


@final
class _EverybodyPays:
    """Grants what is asked: whether there was money then, no capture tells; a `scp.ports.QuotaPort`."""

    def reserve(self, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        waiter.charged(QuotaGrant(request.session, request.seconds))

    def extend(self, session: str, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        waiter.charged(QuotaGrant(session, request.seconds))

    def settle(self, session: str, used: Usage | None, waiter: QuotaWaiter | None) -> None:
        if waiter is not None:
            waiter.charged(Settled(session, None if used is None else 0))


def control(
    provider: TcProvider,
    settings: MessageSettings,
    store: SubscriberLookup,
    clock: Callable[[], float],
    deadline: float,
) -> SmsControlUser:
    """Return the TC-user; what it decides is noted in the dialogue's `ReplayedDialogue`."""
    user = SmsControlUser(
        provider,
        settings.policy,
        lambda: settings.rules,
        store,
        NullTelemetry(),
        clock,
        deadline,
        quota=None if settings.policy.charging is None else _EverybodyPays(),
        wall=clock,
    )
    user.observer = _decided
    return user


def _decided(dialogue: Dialogue, row: Row, _: float) -> None:
    replayed = dialogue.path
    if isinstance(replayed, ReplayedDialogue):
        made = attempt_of("", "", row)
        replayed.service = SERVICE
        replayed.decision = Decision(Action(made.action), Reason(made.reason), made.number)
