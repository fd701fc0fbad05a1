"""What must hold of every course, however its steps end and whoever acts in between."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.course import (
    Await,
    Execute,
    Expire,
    Finish,
    Settle,
    Show,
    Situation,
    Verify,
    Withdraw,
    next_move,
)
from bot.domain.execution import Claim, Result, StepOutcome
from bot.domain.ids import ProposalId
from bot.domain.plan import Plan
from bot.domain.proposal import FOLLOWS, LIVE, ProposalState, may_follow
from tests.builders import NOW, a_plan, a_request
from tests.unit.test_course import a_claim, a_record

S = ProposalState
PLAN = a_plan(actions=[a_request("first"), a_request("second"), a_request("third")])
times = st.integers(-60, 60).map(lambda minutes: NOW + timedelta(minutes=minutes))
results = st.sampled_from([None, *Result])
situations = st.builds(
    lambda state, is_open, epoch, now, ends: Situation(
        is_open=is_open,
        epoch=epoch,
        now=now,
        proposals=[a_record(state, PLAN)],
        claims=[a_claim(index, end, PLAN) for index, end in enumerate(ends)],
    ),
    st.sampled_from(ProposalState),
    st.booleans(),
    st.integers(0, 2),
    times,
    st.lists(results, max_size=3),
)


@given(situations)
def test_nothing_runs_that_was_not_approved_or_whose_time_is_up(at: Situation) -> None:
    last, move = at.proposals[-1], next_move(at)

    if isinstance(move, Execute):
        assert last.state in {S.APPROVED, S.STARTED}
        assert last.epoch == at.epoch
        if last.state is S.APPROVED:
            assert at.is_open
            assert at.now < last.expires_at


@given(situations)
def test_nothing_runs_after_an_exit(at: Situation) -> None:
    if not FOLLOWS[at.proposals[-1].state]:
        assert next_move(at) == (Await() if at.is_open else Finish())


@given(situations)
def test_what_a_move_makes_of_a_proposal_may_follow(at: Situation) -> None:
    last, move = at.proposals[-1], next_move(at)

    match move:
        case Settle():
            assert may_follow(last.state, move.state)
        case Expire() | Withdraw() | Show():
            assert last.state in LIVE
        case Verify():
            assert last.state in (S.DONE, S.UNDOING)
        case _:
            pass


@given(situations)
def test_a_step_runs_only_when_all_before_it_are_done(at: Situation) -> None:
    move = next_move(at)
    ended = {claim.step_index: claim.outcome.result if claim.outcome else None for claim in at.claims}

    # The first claim makes a proposal `STARTED`, so an approved one has none.
    if isinstance(move, Execute) and at.proposals[-1].state is S.STARTED:
        assert ended.get(move.step_index) is None
        assert not {Result.FAILED, Result.UNKNOWN} & set(ended.values())
        assert all(ended.get(index) is Result.DONE for index in range(move.step_index))


class Walk:
    """A course played to its end: each move is carried out with a drawn outcome."""

    def __init__(self, plan: Plan, state: ProposalState) -> None:
        self.record = a_record(state, plan)
        self.plan = plan
        self.claims: dict[int, Claim] = {}
        self.starts: list[int] = []

    def situation(self, *, is_open: bool, now: datetime) -> Situation:
        return Situation(
            is_open=is_open, epoch=0, now=now, proposals=[self.record], claims=list(self.claims.values())
        )

    def become(self, state: ProposalState) -> None:
        assert may_follow(self.record.state, state)
        self.record = self.record.model_copy(update={"state": state})

    def execute(self, proposal: ProposalId, index: int, result: Result) -> None:
        assert proposal == self.record.id
        if self.record.state is S.APPROVED:
            self.become(S.STARTED)
        self.starts.append(index)
        outcome = StepOutcome(result=result)
        self.claims[index] = a_claim(index, result, self.plan).model_copy(update={"outcome": outcome})


@given(
    st.lists(st.sampled_from(Result), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([S.PENDING, S.PROPOSED, S.APPROVED]),
)
def test_every_course_comes_to_rest_and_starts_each_step_at_most_once(
    ends: list[Result], recovers: bool, is_open: bool, begins: ProposalState
) -> None:
    walk = Walk(PLAN, begins)
    for _ in range(20):
        move = next_move(walk.situation(is_open=is_open, now=NOW))
        match move:
            case Await() if walk.record.state is S.PROPOSED:
                walk.become(S.APPROVED)
            case Await() | Finish():
                break
            case Show():
                walk.become(S.PROPOSED)
            case Expire():
                walk.become(S.EXPIRED)
            case Withdraw():
                walk.become(S.CANCELLED)
            case Execute():
                walk.execute(move.proposal, move.step_index, ends[move.step_index])
            case Settle():
                walk.become(move.state)
            case Verify():
                walk.become(S.VERIFIED if recovers else S.NOT_RECOVERED)
    else:
        raise AssertionError("the course never came to rest")

    assert walk.starts == sorted(set(walk.starts))
    assert walk.record.state is S.UNKNOWN or not FOLLOWS[walk.record.state]
    if not is_open:
        assert [] == walk.starts
