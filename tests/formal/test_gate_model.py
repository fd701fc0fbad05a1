"""The gate under a model checker, and the store's own code held against the checked model."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.store.opening import Store, open_memory_store
from bot.domain.approval import Action
from bot.domain.errors import Tampered
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentStatus
from bot.domain.plan import UNDO_FROM, Plan, PlannedStep
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import CARD, NOW, ManualTime, a_click, a_person, a_plan, a_record, an_incident, fresh
from tests.conftest import Rounds
from tests.contracts.stores import ALLOWED
from tests.history import violations

MODEL = Path(__file__).with_name("gate.pml")
SPIN, CC = shutil.which("spin"), shutil.which("gcc")
NEEDED = "needs Debian's spin and gcc: sudo apt-get install spin gcc libc6-dev"

pytestmark = pytest.mark.skipif(SPIN is None or CC is None, reason=NEEDED)

MISTAKES = sorted(set(re.findall(r"\bM_[A-Z_]+", MODEL.read_text())))
QUICK = {"M_CLICKS_COUNT", "M_RUN_AGAIN", "M_UNDO_LETS_GO", "M_UNDO_NOT_DECLARED", "M_UNDO_RUN_AGAIN"}
"""What each change is tried with; the others are left to `make prove`."""
UNHEARD = {"M_AUDIT_AFTER", "M_CHECK_THEN_ACT", "M_RUN_AGAIN", "M_UNDO_RUN_AGAIN"}
"""Mistakes in what is done and when, not in what is answered."""


def _checked(folder: Path, *defines: str) -> str:
    """Visit every state of the model and return what the checker says."""
    subprocess.run([str(SPIN), *defines, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True)
    # Not optimised: that would take the compiler longer than it spares the checker.
    build = [str(CC), "-w", "-O0", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-o", "pan", "pan.c"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    run = subprocess.run([str(folder / "pan"), "-m20000", "-n"], cwd=folder, capture_output=True, text=True)
    assert "max search depth too small" not in run.stdout
    return run.stdout


def test_no_interleaving_breaks_the_gate(tmp_path: Path) -> None:
    said = _checked(tmp_path)

    assert "errors: 0" in said
    stored = re.search(r"(\d+) states, stored", said)
    assert stored is not None
    assert int(stored[1]) > 100_000, "the model was cut down to nothing"


def test_mistakes_of_the_gate_and_of_its_undo_are_seeded() -> None:
    about_undo = {mistake for mistake in MISTAKES if mistake.startswith("M_UNDO_")}

    assert QUICK <= set(MISTAKES)
    assert (len(about_undo) >= 5, len(MISTAKES) - len(about_undo) >= 10) == (True, True)


PEOPLE = {1: a_person("U0ONCALL", name="Dana"), 2: a_person("U0SECOND", name="Sam")}
A_PRIME = 104_729
LATE = timedelta(minutes=30)
PLANS = {
    1: a_plan(incident="P1", quorum=2),
    2: a_plan(incident="P1", number=2, quorum=2, evidence="edited"),
    3: a_plan(incident="P2", quorum=2, expires_at=NOW + timedelta(days=1)),
}


@dataclass
class Played:
    """The store's own code, doing what a run of the model printed."""

    store: Store
    time: ManualTime
    plans: Mapping[int, Plan]
    steps: int = 0

    async def begin(self) -> None:
        for plan in (self.plans[1], self.plans[3]):
            await self.store.incidents.see(an_incident(plan.incident))
            await self._offer(plan)

    async def play(self, line: str) -> None:
        verb, *words = line.removeprefix("#").split()
        self.steps += 1
        match verb, words:
            case "approve", [number, who, answer]:
                assert answer == await self._press(Action.APPROVE, int(number), int(who)), line
            case "deny", [number, answer]:
                assert answer == await self._press(Action.DENY, int(number), 1), line
            case "edit", []:
                await self._offer(self.plans[2])
            case "late", []:
                self.time.advance(LATE)
            case "expire", [number]:
                assert await self._withdraw(int(number), ProposalState.EXPIRED), line
            case "cancel", [number]:
                assert await self._withdraw(int(number), ProposalState.CANCELLED), line
            case "resolve", []:
                resolved = an_incident(IncidentId("P1"), status=IncidentStatus.RESOLVED)
                await self.store.incidents.see(resolved)
            case "kill", []:
                await self.store.gate.kill("test", "the model said so")
            case "claim", [number, answer]:
                assert answer == await self._claim(int(number)), line
            case "stop", [number, state]:
                await self.store.gate.stop(self.plans[int(number)].id, PEOPLE[1])
                assert ProposalState(state) is await self._state(int(number)), line
            case "finish", [number, state]:
                await self._finish(int(number), ProposalState(state))
            case "begin_undo", [number, answer]:
                why = await self.store.gate.begin_undo(self.plans[int(number)].id, "the model said so")
                assert answer == ("refused" if why else "begun"), (line, why)
            case "claim_undo", [number, answer]:
                assert answer == await self._claim(int(number), UNDO_FROM), line
            case "finish_undo", [number, state]:
                plan = self.plans[int(number)]
                await self._end(plan, plan.undo_planned[0], ProposalState(state))
            case "conclude", [number, state, answer]:
                assert answer == await self._conclude(int(number), ProposalState(state)), line
            case _:
                pytest.fail(f"the model printed a step that nobody plays: {line}")

    async def _offer(self, plan: Plan) -> None:
        await self.store.gate.offer((await self.store.gate.propose(plan)).id, CARD)

    async def _press(self, action: Action, number: int, who: int) -> str:
        click = a_click(
            action, plan=self.plans[number], by=PEOPLE[who], at=self.time.at, nonce=f"{self.steps}"
        )
        ruling = await self.store.gate.rule(click, ALLOWED, PEOPLE[who])
        return "accepted" if ruling.is_accepted else "refused"

    async def _withdraw(self, number: int, state: ProposalState) -> bool:
        return await self.store.gate.withdraw(self.plans[number].id, state, "the model said so")

    async def _claim(self, number: int, step: int = 0) -> str:
        plan = self.plans[number]
        freshness = fresh(a_record(plan), self.time.at)
        match await self.store.gate.claim(plan.id, step, freshness, policy=FLOOR):
            case ApprovedStep():
                return "mine"
            case Claim():
                return "taken"
            case NotAdmitted():
                return "refused"

    async def _finish(self, number: int, state: ProposalState) -> None:
        plan = self.plans[number]
        await self._end(plan, plan.steps[0], state)
        if await self._state(number) is not ProposalState.STARTED:
            return  # It was stopped meanwhile.
        await self.store.gate.conclude(plan.id, state, "")
        if state is ProposalState.DONE and not plan.undo_automatic:
            await self.store.gate.conclude(plan.id, ProposalState.VERIFIED, "")

    async def _end(self, plan: Plan, step: PlannedStep, state: ProposalState) -> None:
        result = Result.DONE if state is ProposalState.DONE else Result.UNKNOWN
        await self.store.gate.finish(plan.effect_key(step), 1, StepOutcome(result=result))

    async def _conclude(self, number: int, state: ProposalState) -> str:
        try:
            await self.store.gate.conclude(self.plans[number].id, state, "the model said so")
        except Tampered:
            return "refused"
        return "accepted"

    async def _state(self, number: int) -> ProposalState:
        record = await self.store.gate.proposal(self.plans[number].id)
        assert record is not None
        return record.state


def _simulated(folder: Path, number: int) -> list[str]:
    """Return the steps of one random run of the model; every other one is likelier to come to an undo."""
    sought = ("-DUNDO_SOUGHT",) if number % 2 else ()
    run = subprocess.run(
        # Runs of neighbouring seeds begin alike.
        [str(SPIN), *sought, f"-n{number * A_PRIME}", "-T", "-u10000", str(MODEL)],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return _steps(run.stdout)


def _plans(*, undo_automatic: bool) -> Mapping[int, Plan]:
    """Return the plans; those of the first incident take themselves back if so told."""
    changed = {"undo_automatic": undo_automatic}
    return {n: plan.model_copy(update=changed if plan.incident == "P1" else {}) for n, plan in PLANS.items()}


def _trail(folder: Path, *defines: str) -> list[str]:
    """Return the steps that led the checker to what it found last."""
    trail = ["-t", "-k", str(folder / f"{MODEL.name}.trail")]
    run = subprocess.run(
        [str(SPIN), *defines, *trail, "-T", str(MODEL)], cwd=folder, capture_output=True, text=True
    )
    return _steps(run.stdout)


def _steps(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if re.match(r"#(?!processes)", line)]


async def _play(lines: list[str], kill_file: Path) -> None:
    time = ManualTime()
    store = open_memory_store(redact=str, kill_file=kill_file, store_time=time)
    is_declared = lines[:1] == ["#declared"]
    played = Played(store, time, _plans(undo_automatic=is_declared))
    await played.begin()
    for line in lines[is_declared:]:
        await played.play(line)
    assert violations(await store.audit.entries(limit=10_000)) == []
    await store.close()


async def test_the_store_answers_as_the_model_does(tmp_path: Path, rounds: Rounds) -> None:
    """Random runs of the model, each played on the store: every answer is the same, and the chain holds."""
    came_to = Counter[str]()
    for number in range(rounds(60, 3000)):
        lines = _simulated(tmp_path, number)
        await _play(lines, tmp_path / "KILL")
        came_to.update(line.split()[0] for line in lines if line.endswith("mine"))
    assert {"#claim", "#claim_undo"} == set(came_to), "no run came to a start, or none to an undo"


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_each_seeded_mistake_is_found(mistake: str, tmp_path: Path, rounds: Rounds) -> None:
    """And the way to it, played on the store, comes to an answer that the store does not give."""
    if not rounds(mistake in QUICK, True):
        pytest.skip(f"the mistake {mistake}: sought by make prove")

    assert "assertion violated" in _checked(tmp_path, f"-D{mistake}")
    if mistake not in UNHEARD:
        with pytest.raises(AssertionError, match="#"):
            await _play(_trail(tmp_path, f"-D{mistake}"), tmp_path / "KILL")
