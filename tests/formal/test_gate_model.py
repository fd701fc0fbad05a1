"""The gate under a model checker, and the store's own code held against the checked model."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.store.opening import Store, open_memory_store
from bot.domain.approval import Action
from bot.domain.execution import ApprovedStep, Claim, NotAdmitted, Result, StepOutcome
from bot.domain.ids import IncidentId
from bot.domain.incident import IncidentStatus
from bot.domain.plan import Plan
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalState
from tests.builders import CARD, NOW, ManualTime, a_click, a_person, a_plan, a_record, an_incident, fresh
from tests.conftest import Rounds
from tests.contracts.stores import ALLOWED

MODEL = Path(__file__).with_name("gate.pml")
SPIN, CC = shutil.which("spin"), shutil.which("gcc")
NEEDED = "needs Debian's spin and gcc: sudo apt-get install spin gcc libc6-dev"

pytestmark = pytest.mark.skipif(SPIN is None or CC is None, reason=NEEDED)

MISTAKES = sorted(set(re.findall(r"\bM_[A-Z_]+", MODEL.read_text())))


def _checked(folder: Path, *defines: str, optimise: str = "-O0") -> str:
    """Visit every state of the model and return what the checker says."""
    subprocess.run([str(SPIN), *defines, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True)
    build = [str(CC), "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-o", "pan", "pan.c"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    run = subprocess.run([str(folder / "pan"), "-m20000", "-n"], cwd=folder, capture_output=True, text=True)
    assert "max search depth too small" not in run.stdout
    return run.stdout


def test_no_interleaving_breaks_the_gate(tmp_path: Path) -> None:
    said = _checked(tmp_path, optimise="-O2")

    assert "errors: 0" in said
    stored = re.search(r"(\d+) states, stored", said)
    assert stored is not None
    assert int(stored[1]) > 100_000, "the model was cut down to nothing"


def test_at_least_six_mistakes_are_seeded() -> None:
    assert len(MISTAKES) >= 6


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_seeded_mistake_is_found(mistake: str, tmp_path: Path) -> None:
    assert "assertion violated" in _checked(tmp_path, f"-D{mistake}")


PEOPLE = {1: a_person("U0ONCALL", name="Dana"), 2: a_person("U0SECOND", name="Sam")}
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
    steps: int = 0

    async def begin(self) -> None:
        for plan in (PLANS[1], PLANS[3]):
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
                await self._offer(PLANS[2])
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
            case "finish", [number, state]:
                await self._finish(int(number), ProposalState(state))
            case _:
                pytest.fail(f"the model printed a step that nobody plays: {line}")

    async def _offer(self, plan: Plan) -> None:
        await self.store.gate.offer((await self.store.gate.propose(plan)).id, CARD)

    async def _press(self, action: Action, number: int, who: int) -> str:
        click = a_click(action, plan=PLANS[number], by=PEOPLE[who], at=self.time.at, nonce=f"{self.steps}")
        ruling = await self.store.gate.rule(click, ALLOWED, PEOPLE[who])
        return "accepted" if ruling.is_accepted else "refused"

    async def _withdraw(self, number: int, state: ProposalState) -> bool:
        return await self.store.gate.withdraw(PLANS[number].id, state, "the model said so")

    async def _claim(self, number: int) -> str:
        plan = PLANS[number]
        freshness = fresh(a_record(plan), self.time.at)
        match await self.store.gate.claim(plan.id, 0, freshness, policy=FLOOR):
            case ApprovedStep():
                return "mine"
            case Claim():
                return "taken"
            case NotAdmitted():
                return "refused"

    async def _finish(self, number: int, state: ProposalState) -> None:
        plan = PLANS[number]
        result = Result.DONE if state is ProposalState.DONE else Result.UNKNOWN
        await self.store.gate.finish(plan.effect_key(plan.steps[0]), 1, StepOutcome(result=result))
        await self.store.gate.conclude(plan.id, state, "")
        if state is ProposalState.DONE:
            await self.store.gate.conclude(plan.id, ProposalState.VERIFIED, "")


def _simulated(folder: Path, seed: int, *defines: str) -> list[str]:
    """Return the steps of one random run of the model."""
    run = subprocess.run(
        [str(SPIN), *defines, f"-n{seed}", "-T", "-u10000", str(MODEL)],
        cwd=folder,
        check=not defines,  # A model with a mistake in it stops where it violates something.
        capture_output=True,
        text=True,
    )
    return [line for line in run.stdout.splitlines() if re.match(r"#(?!processes)", line)]


async def _play(lines: list[str], kill_file: Path) -> None:
    time = ManualTime()
    store = open_memory_store(redact=str, kill_file=kill_file, store_time=time)
    played = Played(store, time)
    await played.begin()
    for line in lines:
        await played.play(line)
    assert (await store.audit.verify()).is_intact
    await store.close()


async def test_the_store_answers_as_the_model_does(tmp_path: Path, rounds: Rounds) -> None:
    """Random runs of the model, each played on the store: every answer is the same, and the chain holds."""
    starts = 0
    for seed in range(rounds(60, 3000)):
        lines = _simulated(tmp_path, seed)
        await _play(lines, tmp_path / "KILL")
        starts += any(line.endswith("mine") for line in lines)
    assert starts > 0, "no run came to a start"


@pytest.mark.parametrize("mistake", ["M_CLICKS_COUNT", "M_KILL_IGNORED", "M_NO_TARGET_LOCK"])
async def test_a_model_with_a_mistake_answers_otherwise_than_the_store(mistake: str, tmp_path: Path) -> None:
    """So that the comparison is known to see a difference."""
    differing = 0
    for seed in range(200):
        try:
            await _play(_simulated(tmp_path, seed, f"-D{mistake}"), tmp_path / "KILL")
        except AssertionError:
            differing += 1
            break
    assert differing
