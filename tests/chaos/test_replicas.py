"""Three processes over one record: killed at every boundary, and pressed by five people at once."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.domain.approval import Action
from bot.domain.proposal import ProposalState
from tests.chaos.fleet import AT_THE_TARGET, BOUNDARIES, NAMES, Fleet, a_fleet
from tests.chaos.replica import PEOPLE, Press
from tests.conftest import Rounds

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("replicas"),
    pytest.mark.timeout(1800),
]

CLICKS = 10
S = ProposalState


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with a_fleet(tmp_path_factory.mktemp("replicas")) as three:
        yield three


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def once(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """Replicas whose step may be asked for only once."""
    async with a_fleet(tmp_path_factory.mktemp("once"), is_idempotent=False) as three:
        yield three


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_e_crash_matrix_a_replica_killed_at_a_boundary_is_replaced_and_acts_once(
    fleet: Fleet, boundary: str, rounds: Rounds
) -> None:
    for _ in range(rounds(1, 25)):
        order, killed, acted = fleet.next_incident(), fleet.killed, len(fleet.target.acted)
        armed = order.model_copy(update={"dies_at": boundary})

        await fleet.course(armed)
        if fleet.killed > killed:
            armed = order  # It has died: the rest is played by those who live.
        answer = await fleet.press(armed, [Press(person=0, nonce="1")])
        if fleet.killed > killed:
            armed = order
        done = await fleet.course(armed)

        assert fleet.killed == killed + 1
        assert (S.VERIFIED, {"1": "accepted"}) == (done.state, answer.answers)
        assert len(fleet.target.acted) == acted + 1
    assert await fleet.judged() == []


@pytest.mark.parametrize("boundary", ["claimed, no effect", *AT_THE_TARGET, "answered, no end recorded"])
async def test_e_crash_matrix_an_unknown_step_is_told_and_never_started_again(
    once: Fleet, boundary: str, rounds: Rounds
) -> None:
    """Only a person's word ends it, whatever the replicas are told to play meanwhile."""
    for number in range(rounds(1, 25)):
        order, asked = once.next_incident(), once.target.asked
        await once.course(order)
        await once.press(order, [Press(person=1, nonce="1")])
        lost = await once.course(order.model_copy(update={"dies_at": boundary}))
        again = [await once.course(order) for _ in NAMES]

        assert {S.UNKNOWN} == {done.state for done in (lost, *again)}
        assert once.target.asked - asked == (boundary != "claimed, no effect")

        word = (Action.IT_RAN, S.VERIFIED) if number % 2 else (Action.IT_DID_NOT, S.FAILED)
        told = await once.press(order, [Press(person=2, nonce="2", action=word[0])])
        ended = await once.course(order)

        assert {"2": "accepted"} == told.answers
        assert word[1] == ended.state
        assert once.target.asked - asked == (boundary != "claimed, no effect")
    assert await once.judged() == []


async def test_sl_stampede_five_people_at_three_processes_start_it_once(fleet: Fleet, rounds: Rounds) -> None:
    """Ten presses of each at each replica, all at once: one start, and an answer to every press."""
    for _ in range(rounds(3, 100)):
        order, acted = fleet.next_incident(), len(fleet.target.acted)
        await fleet.course(order)

        presses = [
            tuple(
                Press(person=person, nonce=f"{name}.{person}.{click}")
                for person in range(len(PEOPLE))
                for click in range(CLICKS)
            )
            for name in NAMES
        ]
        decided = await fleet.everywhere([order.model_copy(update={"presses": each}) for each in presses])
        done = await fleet.course(order)

        reasons = Counter(reason for one in decided for reason in one.answers.values())
        assert {"accepted": 1, "already_decided": len(NAMES) * len(PEOPLE) * CLICKS - 1} == reasons
        assert S.VERIFIED == done.state
        assert len(fleet.target.acted) == acted + 1
    assert await fleet.judged() == []
