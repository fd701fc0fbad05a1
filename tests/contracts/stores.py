"""How tests of the store set up proposals, press buttons and look at the record."""

import json
import os
from pathlib import Path

from adapters.store.opening import Store, open_memory_store, open_store
from adapters.store.signing import Signer, new_signer
from bot.domain.approval import Action, Permission, Ruling
from bot.domain.card import CardRef
from bot.domain.execution import ApprovedStep
from bot.domain.person import Person
from bot.domain.plan import Plan
from bot.domain.policy import FLOOR
from bot.domain.proposal import ProposalRecord
from tests.builders import CARD, ManualTime, a_click, a_person, a_plan, an_incident, fresh
from tests.postgres_server import programs

POSTGRES = "HANDRAIL_TEST_POSTGRES_URL"
"""The variable that names a PostgreSQL server on which tests may make databases of their own.

Without it, `make prove` starts Debian's where that is installed.
"""

DATABASES = ["sqlite", "postgres"] if os.environ.get(POSTGRES) or programs() else ["sqlite"]

SECRET = "hunter2"
ALLOWED = Permission(allowed=True, grounds="named approver")
FORBIDDEN = Permission(allowed=False, grounds="only <@U0ONCALL> may decide this")


def redact(text: str) -> str:
    return text.replace(SECRET, "[secret]")


class Bench:
    """One record, and as many stores over it as a test opens."""

    def __init__(self, *, url: str | None, time: ManualTime, kill_file: Path) -> None:
        self.url = url
        self.time = time
        self.signer: Signer = new_signer()
        self.kill_file = kill_file
        self._open: list[Store] = []
        self.store = self.another()

    def another(self) -> Store:
        """Open the same record once more, as a second process would; in memory there is only one."""
        if self.url is None:
            if not self._open:
                self._open.append(
                    open_memory_store(
                        redact=redact, kill_file=self.kill_file, store_time=self.time, signer=self.signer
                    )
                )
            return self._open[0]
        store = open_store(
            self.url, redact=redact, kill_file=self.kill_file, store_time=self.time, signer=self.signer
        )
        self._open.append(store)
        return store

    async def close(self) -> None:
        for store in self._open:
            await store.close()

    async def offered(self, plan: Plan | None = None, *, card: CardRef = CARD) -> ProposalRecord:
        """Return a proposal that stands on its card, of an incident that is open."""
        plan = plan or a_plan()
        if await self.store.incidents.get(plan.incident) is None:
            await self.store.incidents.see(an_incident(plan.incident))
        record = await self.store.gate.propose(plan)
        return await self.store.gate.offer(record.id, card)

    async def press(
        self,
        action: Action,
        plan: Plan | None = None,
        *,
        by: Person | None = None,
        permission: Permission = ALLOWED,
        nonce: str = "1",
    ) -> Ruling:
        """Press a button on the plan's card now."""
        person = by or a_person()
        click = a_click(action, plan=plan, by=person, at=self.time.at, nonce=nonce)
        return await self.store.gate.rule(click, permission, person)

    async def approved(self, plan: Plan | None = None) -> ProposalRecord:
        record = await self.offered(plan)
        assert (await self.press(Action.APPROVE, plan)).is_accepted
        return await self.proposal(record)

    async def started(self, plan: Plan | None = None) -> ApprovedStep:
        """Return the first step of an approved plan, claimed."""
        record = await self.approved(plan)
        step = await self.store.gate.claim(record.id, 0, fresh(record, self.time.at), policy=FLOOR)
        assert isinstance(step, ApprovedStep)
        return step

    async def proposal(self, record: ProposalRecord) -> ProposalRecord:
        found = await self.store.gate.proposal(record.id)
        assert found is not None
        return found

    async def acts(self) -> list[str]:
        return [entry.act for entry in await self.store.audit.entries()]

    async def last_body(self) -> dict[str, str | int | bool | None]:
        entries = await self.store.audit.entries(limit=1)
        body: dict[str, str | int | bool | None] = json.loads(entries[0].body)
        return body
