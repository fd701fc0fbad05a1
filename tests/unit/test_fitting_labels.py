"""What fitting makes of labels: a change that was ruled out, weak ones, and few of them."""

from adapters.evaluation.cases import LabelledCase, Truth
from adapters.evaluation.fit import learnable, probabilities, relearn
from bot.domain.correlation import rank_suspects
from bot.domain.correlation_case import Case
from bot.domain.ids import ChangeId
from bot.domain.weights import WeightName, load_weights
from tests.correlation_builders import SHOP, alert, change, topology

START = load_weights()
BLAMED, INNOCENT = ChangeId("blamed"), ChangeId("innocent")


def a_case() -> Case:
    """Return a case in which the changed service itself alerts, and one that it calls changed too."""
    return Case(
        alerts=(alert(),),
        changes=(
            change(minutes_before=5, change_id=BLAMED),
            change("payments", minutes_before=5, change_id=INNOCENT),
        ),
        topology=topology(*SHOP),
    )


def ruled_out(count: int, strength: float = 1.0) -> list[LabelledCase]:
    return [LabelledCase(f"c{n}", a_case(), None, frozenset({BLAMED}), strength) for n in range(count)]


def share_of(change_id: ChangeId, weights: object) -> float:
    ranking = rank_suspects(a_case(), weights)  # type: ignore[arg-type]
    return next(one.probability for one in ranking.suspects if one.change.id == change_id)


def test_a_change_that_was_ruled_out_again_and_again_loses_weight() -> None:
    learned = relearn({"labels": ruled_out(30)}, START, version="team")

    assert share_of(BLAMED, learned) < share_of(BLAMED, START) - 0.1
    assert learned.values[WeightName.SAME_SERVICE] < START.values[WeightName.SAME_SERVICE]


def test_a_weak_label_moves_less_than_a_persons_word() -> None:
    strong = relearn({"labels": ruled_out(10)}, START, version="team")
    weak = relearn({"labels": ruled_out(10, strength=0.25)}, START, version="team")
    other = [LabelledCase("o", a_case(), Truth(INNOCENT))] * 10

    def beside(labels: list[LabelledCase]) -> float:
        return share_of(BLAMED, relearn({"labels": labels, "cases": other}, START, version="team"))

    assert share_of(BLAMED, strong) <= share_of(BLAMED, weak)
    assert beside(ruled_out(10)) < share_of(BLAMED, START)


def test_few_labels_leave_the_calibration_as_it_is() -> None:
    few = relearn({"labels": ruled_out(3)}, START, version="team")
    known = [LabelledCase(f"c{n}", a_case(), Truth(BLAMED if n % 2 else INNOCENT)) for n in range(30)]
    more = relearn({"labels": known}, START, version="team")

    assert START.calibration == few.calibration
    assert START.calibration != more.calibration


def test_a_case_of_which_nobody_said_anything_teaches_nothing() -> None:
    silent = LabelledCase("c", a_case(), None)

    assert () == learnable([silent], START)


def test_those_who_may_be_it_are_all_but_the_ruled_out() -> None:
    (example,) = learnable(ruled_out(1), START)

    assert (3, 2) == (len(example.candidates), len(example.right))
    assert sum(probabilities(example.candidates, START.values)) > 0.99
