"""The machine of joining: what is refused and when, whatever is tried in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scp.voip.admission import HOUR_MS, Enrolment, Limits, Refusal, Step, begun, may_ask, tried

LIMITS = Limits(pin_s=300, tries=5, tries_of_number=10, sends_of_number=3)
SECRET, PIN = "the-secret-of-the-device-that-asked", "483926"


def enrolment(name: str = "e", now: int = 0) -> Enrolment:
    return begun(name, "46701234567", "phone", "127.0.0.1", SECRET, PIN, LIMITS, now)


attempts = st.lists(
    st.tuples(
        st.sampled_from([SECRET, "another"]),
        st.sampled_from([PIN, "000000", "48392"]),
        st.integers(0, 400_000),
    ),
    max_size=12,
)


@given(attempts)
def test_a_pin_works_once_in_time_for_its_device_and_within_five_tries(given_: list) -> None:
    one, taken, wrong = enrolment(), 0, 0
    for secret, pin, at in sorted(given_, key=lambda each: each[2]):
        one, why = tried(one, secret, pin, [one], LIMITS, at)
        right = secret == SECRET and pin == PIN and at < 300_000 and wrong < 5 and not taken
        assert (why is None) == right
        taken += why is None
        wrong += secret == SECRET and pin != PIN and at < 300_000 and not taken
    assert taken <= 1
    assert one.tries <= LIMITS.tries


def test_each_refusal_says_why() -> None:
    one = enrolment()
    assert tried(one, "another", PIN, [one], LIMITS, 1)[1] is Refusal.WRONG_DEVICE
    assert tried(one, SECRET, "000000", [one], LIMITS, 1)[1] is Refusal.WRONG_PIN
    assert tried(one, SECRET, PIN, [one], LIMITS, 300_000)[1] is Refusal.EXPIRED
    done, why = tried(one, SECRET, PIN, [one], LIMITS, 299_999)
    assert (done.step, why) == (Step.ACTIVE, None)
    assert tried(done, SECRET, PIN, [done], LIMITS, 1)[1] is Refusal.USED
    for _ in range(5):
        one, _why = tried(one, SECRET, "000000", [one], LIMITS, 1)
    assert one.step is Step.LOCKED
    assert tried(one, SECRET, PIN, [one], LIMITS, 1) == (one, Refusal.LOCKED)


def test_a_number_gets_three_messages_an_hour_and_ten_wrong_pins_lock_it() -> None:
    asked = [enrolment(str(n), n * 1000) for n in range(3)]
    assert may_ask(asked[:2], LIMITS, 5000) is None
    assert may_ask(asked, LIMITS, 5000) is Refusal.TOO_MANY_SENDS
    assert may_ask(asked, LIMITS, HOUR_MS) is None
    for n in (0, 1):
        for _ in range(5):
            asked[n], _why = tried(asked[n], SECRET, "000000", asked, LIMITS, 3000)
    assert may_ask(asked[:2], LIMITS, 5000) is Refusal.LOCKED
    assert tried(asked[2], SECRET, PIN, asked, LIMITS, 3000)[1] is Refusal.LOCKED


def test_nothing_in_the_store_tells_the_pin() -> None:
    one, other = enrolment(), begun("f", "46701234567", "", "", "s2", PIN, LIMITS, 0)
    assert one.pin != other.pin
    assert PIN not in repr(one)
    assert SECRET not in repr(one)
