"""What a model costs, and the pause after failures."""

from decimal import Decimal

import pytest

from adapters.llm.breaker import FAILURES, OPEN_S, WITHIN_S, Breaker
from adapters.llm.config import Price
from adapters.llm.cost import cost_usd, estimated_tokens


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(input=Decimal("0.25"), cached=Decimal("0.025"), output=Decimal(2)), "0.00107"),
        (Price(input=Decimal("0.25"), output=Decimal(2)), "0.00125"),
    ],
    ids=["cached", "without-a-price-for-cached"],
)
def test_a_call_costs_what_the_table_says(price: Price, cost: str) -> None:
    prices = {"gpt-5-mini": price}

    assert Decimal(cost) == cost_usd(prices, "gpt-5-mini", tokens_in=2_000, cached=800, tokens_out=375)
    assert cost_usd(prices, "another", tokens_in=2_000, cached=800, tokens_out=375) is None


def test_an_estimate_is_never_zero() -> None:
    assert (1, 101) == (estimated_tokens(""), estimated_tokens("x" * 150, "y" * 150))


def test_failures_that_lie_far_apart_do_not_open_the_breaker() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(FAILURES * 2):
        breaker.failed()
        now += WITHIN_S

    assert breaker.admits()


def test_after_the_pause_one_caller_tries_and_its_failure_opens_it_again() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(FAILURES):
        breaker.failed()
    assert not breaker.admits()

    now = OPEN_S

    assert [True, False] == [breaker.admits(), breaker.admits()]
    breaker.failed()
    assert not breaker.admits()
    now = OPEN_S * 2
    assert breaker.admits()


def test_a_success_forgets_the_failures() -> None:
    breaker = Breaker(lambda: 0.0)
    breaker.failed()
    breaker.failed()

    breaker.succeeded()
    breaker.failed()

    assert breaker.admits()


def test_a_trial_that_was_abandoned_leaves_the_next_one_free() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(FAILURES):
        breaker.failed()
    now = OPEN_S
    assert breaker.admits()

    breaker.abandoned()

    assert breaker.admits()
