"""Who holds a role, and which human stands behind an account."""

import pytest

from bot.domain.catalogue import Approvers
from bot.domain.identity import Roll, in_words, role_of, usable_email
from bot.domain.ids import PagerDutyUserId, SlackUserId
from bot.domain.person import OnCall, Person
from tests.builders import a_person

ON_CALL = Approvers(on_call=True)


def on_call(user: str = "PDANA", email: str = "Dana@Example.com", level: int = 1) -> OnCall:
    return OnCall(user_id=PagerDutyUserId(user), name=user.title(), email=email, level=level)


@pytest.mark.parametrize(
    ("approvers", "person", "role"),
    [
        (Approvers(), a_person(), None),
        (Approvers(users=(a_person().id,)), a_person(), "named approver"),
        (Approvers(users=(SlackUserId("U0ELSE"),)), a_person(), None),
        (ON_CALL, a_person("U0ELSE"), "on call"),
        (ON_CALL, a_person("U0ELSE", email=None), None),
        (ON_CALL, a_person(name="PDana", email="eve@example.com"), None),
        (Approvers(on_call=True, on_call_levels=(2,)), a_person(), None),
        (Approvers(on_call=True, on_call_levels=()), a_person(), None),
        (Approvers(groups=("S0SRE",)), a_person(), "member of the user group S0SRE"),
        (Approvers(groups=("S0OTHER",)), a_person(), None),
        (Approvers(groups=("S0UNKNOWN",)), a_person(), None),
    ],
)
def test_only_ids_groups_and_confirmed_addresses_give_a_role(
    approvers: Approvers, person: Person, role: str | None
) -> None:
    roll = Roll(on_call=(on_call(),), groups={"S0SRE": frozenset({a_person().id}), "S0OTHER": frozenset()})

    assert role == role_of(person, approvers, roll, domains=None)


def test_who_is_on_call_at_a_named_level_has_the_role() -> None:
    approvers = Approvers(on_call=True, on_call_levels=(2, 3))

    role = role_of(a_person(), approvers, Roll(on_call=(on_call(level=2),)), domains=None)

    assert role == "on call at level 2"


def test_an_address_that_two_people_on_call_share_gives_nobody_a_role() -> None:
    roll = Roll(on_call=(on_call(), on_call("PTWIN")))

    assert role_of(a_person(), ON_CALL, roll, domains=None) is None


@pytest.mark.parametrize(
    ("domains", "email"),
    [(None, "dana@example.com"), (("example.com",), "dana@example.com"), (("ample.com",), None), ((), None)],
)
def test_only_addresses_of_an_allowed_domain_are_used(
    domains: tuple[str, ...] | None, email: str | None
) -> None:
    assert email == usable_email(a_person(email="Dana@Example.com"), domains)


def test_a_refusal_names_who_may_decide() -> None:
    approvers = Approvers(users=(a_person().id,), groups=("S0SRE",), on_call=True)

    assert in_words(approvers, Roll(on_call=(on_call(),))) == (
        "only <@U0ONCALL> or members of the Slack user group S0SRE or whoever is on call in PagerDuty "
        "(now Pdana) may decide this"
    )
    assert in_words(Approvers(), Roll()) == "nobody may decide this"
