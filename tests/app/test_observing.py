"""What logs, versions, code and added tools do to the ranking, the card and what a model is shown."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from adapters.evidence.memory import MemoryDiffs, MemoryLogs, MemoryMetrics, MemoryTools
from adapters.llm.scripted import ScriptedAnalyst
from bot.app.consult import consult
from bot.app.investigate import gather, rank
from bot.app.observe import around_onset, before, neighbourhood
from bot.app.prompting import dossier_of
from bot.app.world import Sources
from bot.domain.catalogue import LokiLogs, Metric, Service
from bot.domain.correlation import Ranking
from bot.domain.diagnosis import Dossier, ToolName, ToolResult, ToolStatus, Trust, Window
from bot.domain.ids import IncidentId, ServiceName
from bot.domain.sources import (
    AddedAnswer,
    ChangeDiff,
    FileChange,
    FileStatus,
    LogLine,
    Point,
    VersionShare,
)
from tests.app.test_consult import for_checkout
from tests.app.world import DEPLOY_TOKEN, Bot, a_bot, a_service
from tests.builders import INCIDENT, NOW, a_change, an_incident
from tests.model_world import an_assessed_world, assessment_of

CHECKOUT, PAYMENTS = ServiceName("checkout"), ServiceName("payments")
LOKI = LokiLogs(kind="loki", url="http://127.0.0.1:1")
RATIO = Metric(url="http://127.0.0.1:1", query="ratio", by_version=True)
QUEUE = Metric(url="http://127.0.0.1:1", query="queue")
KEY = "-----BEGIN PRIVATE KEY-----\n+MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n+-----END PRIVATE KEY-----"


def a_watched_bot(sources: Sources, **changed: object) -> Bot:
    """Return a bot of two services, deployed within a minute of each other, the innocent one last."""
    services: dict[str, Service] = {
        "checkout": a_service(dependencies=(PAYMENTS,), logs=LOKI, **changed),
        "payments": Service(pagerduty=("PPAYMENTS",), logs=LOKI),
    }
    changes = [
        a_change(
            service="payments", version="7", previous_version="6", finished_at=NOW - timedelta(minutes=4)
        ),
        a_change(finished_at=NOW - timedelta(minutes=3)),
    ]
    bot = a_bot(services=services, changes=changes)
    return replace(bot, world=replace(bot.world, sources=sources))


def lines(text: str, minutes: Sequence[float]) -> list[LogLine]:
    return [LogLine(at=NOW + timedelta(minutes=minute), text=text) for minute in minutes]


async def ranked(bot: Bot) -> Ranking:
    return rank(bot.world, await gather(bot.world, an_incident()))


async def shown(bot: Bot) -> Dossier:
    """Return what a model would be shown of the assessed incident."""
    await bot.begin()
    record = await bot.world.book.get(IncidentId(INCIDENT))
    assert record is not None
    assert record.assessment is not None
    assert record.assessment.ranking is not None
    return await dossier_of(bot.world, record, record.assessment.ranking, max_calls=1)


def result(dossier: Dossier, tool: ToolName) -> ToolResult:
    return next(one for one in dossier.results if one.tool is tool)


async def test_new_errors_speak_against_the_change_that_touched_their_service() -> None:
    noise = lines("error: cache miss 17", [-8, -7, -6, -3, -2, -1])
    fresh = lines("KeyError: 'currency' in order 991", [-3, -2.5, -2, -1.5, -1])
    without = await ranked(a_watched_bot(Sources()))

    ranking = await ranked(a_watched_bot(Sources(logs=MemoryLogs({CHECKOUT: noise, PAYMENTS: fresh}))))

    assert "checkout" == without.suspects[0].change.service
    assert "payments" == ranking.suspects[0].change.service
    assert "new errors at payments: KeyError: 'currency' in order <*>" in {
        term.sentence for term in ranking.suspects[0].terms
    }
    assert {"logs of checkout", "logs of payments"} <= set(ranking.coverage.answered)


async def test_logs_that_do_not_answer_are_named_and_cap_the_confidence() -> None:
    logs = MemoryLogs({}, silent=frozenset({CHECKOUT, PAYMENTS}))
    bot = a_watched_bot(Sources(logs=logs))

    ranking = await ranked(bot)

    assert ("logs of checkout", "logs of payments") == ranking.coverage.unreachable
    assert ranking.confidence <= 4 / 6
    assert {"degraded logs of checkout", "degraded logs of payments"} == set(bot.telemetry.said)


async def test_a_version_that_fails_beside_one_that_does_not_is_the_strongest_reason() -> None:
    shares = [VersionShare(version="41", failed=0.01), VersionShare(version="42", failed=0.5)]
    bot = a_watched_bot(
        Sources(metrics=MemoryMetrics(versions={"ratio": shares})), metrics={"by_version": RATIO}
    )

    ranking = await ranked(bot)
    plain = await ranked(a_watched_bot(Sources()))

    first, strongest = ranking.suspects[0], max(ranking.suspects[0].terms, key=lambda term: term.log_odds)
    assert ("42", "version 42 shows 50.0 % success, 41 99.0 % success") == (
        first.change.version,
        strongest.sentence,
    )
    assert ranking.confidence > plain.confidence


async def test_one_version_alone_says_nothing_of_itself() -> None:
    alone = [VersionShare(version="42", failed=0.5), VersionShare(version="a text, no version", failed=0)]
    bot = a_watched_bot(
        Sources(metrics=MemoryMetrics(versions={"ratio": alone})), metrics={"by_version": RATIO}
    )

    gathered = await gather(bot.world, an_incident())

    assert () == gathered.observed.versions
    assert ("by_version of checkout",) == gathered.observed.answered


async def test_a_model_is_shown_errors_metrics_and_code_without_their_secrets() -> None:
    patch = f"@@ -1 +1,3 @@\n+token = '{DEPLOY_TOKEN}'\n+key = '''{KEY}'''"
    file = FileChange(name="src/tax.py", status=FileStatus.MODIFIED, added=3, removed=1, patch=patch)
    code = MemoryDiffs({("shop/checkout", "41", "42"): ChangeDiff(base="41", head="42", files=(file,))})
    queue = [Point(at=NOW + timedelta(minutes=m), value=1 if m < -2 else 9) for m in range(-9, 1)]
    queue.append(Point(at=NOW + timedelta(seconds=5), value=9))  # When the bot hears of the incident.
    logs = MemoryLogs({CHECKOUT: lines(f"error: {DEPLOY_TOKEN} refused", [-2, -1])})
    sources = Sources(logs=logs, metrics=MemoryMetrics({"queue": queue}), diffs=code)

    dossier = await shown(a_watched_bot(sources, metrics={"queue": QUEUE}, repository="shop/checkout"))

    said = dossier.model_dump_json()
    assert DEPLOY_TOKEN not in said
    assert "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" not in said
    errors = result(dossier, ToolName.GET_ERROR_SIGNATURES)
    assert (Trust.HUMAN, ToolStatus.OK) == (errors.trust, errors.status)
    assert errors.items[0].startswith("checkout logged 2 times, 0 times before: error: ")
    assert (
        "queue of checkout: mean 3.4 before the onset, 9 after it, highest 9, steps at 02:58:00 UTC",
    ) == result(dossier, ToolName.GET_METRIC_WINDOW).items
    assert "file src/tax.py modified, +3 -1" in {
        item for one in dossier.results if one.tool is ToolName.GET_CHANGE_DIFF for item in one.items
    }


async def test_an_added_tool_is_told_facts_and_a_silent_one_is_named_to_the_model() -> None:
    tools = MemoryTools(
        [
            AddedAnswer(name="notes.search", text=f"password {DEPLOY_TOKEN}\n\nsecond", is_cut=True),
            AddedAnswer(name="notes.budget", trust=Trust.TELEMETRY, problem="no answer within 4 s"),
        ]
    )
    bot = a_watched_bot(Sources(added=tools))

    dossier = await shown(bot)

    said, silent = [one for one in dossier.results if one.tool is ToolName.ASK_ADDED_TOOLS]
    assert (Trust.HUMAN, ToolStatus.TRUNCATED, "notes.search: second") == (
        said.trust,
        said.status,
        said.items[1],
    )
    assert DEPLOY_TOKEN not in said.text
    assert (ToolStatus.ERROR, ("notes.budget gave nothing: no answer within 4 s",)) == (
        silent.status,
        silent.items,
    )
    assert [CHECKOUT] == [inquiry.service for inquiry in tools.asked]
    assert "degraded tool notes.budget" in bot.telemetry.said


async def test_an_added_tool_that_is_silent_caps_the_confidence_of_an_opinion() -> None:
    tools = MemoryTools(
        [
            AddedAnswer(name="notes.search", text="nothing known"),
            AddedAnswer(name="notes.budget", problem="no answer within 4 s"),
        ]
    )
    world = replace(await an_assessed_world(), sources=Sources(added=tools))

    assert await consult(world, ScriptedAnalyst([for_checkout()]), IncidentId(INCIDENT))

    after = await assessment_of(world)
    assert "notes.budget did not answer: the confidence is capped" in after.cause.limits


async def test_without_sources_a_model_is_shown_nothing_of_them() -> None:
    dossier = await shown(a_watched_bot(Sources()))

    beside = {ToolName.GET_ERROR_SIGNATURES, ToolName.GET_METRIC_WINDOW, ToolName.ASK_ADDED_TOOLS}
    assert set() == beside & {one.tool for one in dossier.results}


def test_windows_begin_before_the_onset_and_stay_short() -> None:
    minute = timedelta(minutes=1)

    assert Window(start=NOW - 5 * minute, end=NOW + minute) == around_onset(NOW, NOW + minute)
    assert Window(start=NOW - 5 * minute, end=NOW + 10 * minute) == around_onset(NOW, NOW + 60 * minute)
    assert Window(start=NOW - 5 * minute, end=NOW) == around_onset(NOW, NOW - minute)
    assert Window(start=NOW - 11 * minute, end=NOW - 5 * minute) == before(around_onset(NOW, NOW + minute))


def test_the_services_looked_at_are_the_nearest_and_few() -> None:
    names = [f"below-{n}" for n in range(9)]
    services = {"checkout": a_service(dependencies=tuple(names)), **{name: Service() for name in names}}

    assert ("checkout", *names[:5]) == neighbourhood(a_bot(services=services).world, CHECKOUT)
