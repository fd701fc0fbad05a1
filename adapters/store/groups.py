"""Where each incident is shown: decided, written to the ledger and audited in one transaction."""

from collections.abc import Mapping, Sequence

from adapters.store import entries
from adapters.store.transaction import Transaction, Transactions
from bot.domain.errors import NotFound, Refused
from bot.domain.grouping import MergeRule
from bot.domain.ids import IncidentId, SlackUserId
from bot.domain.incident import Incident
from bot.domain.merging import (
    Company,
    Member,
    MergeAct,
    MergeEntry,
    MergingRules,
    Placing,
    Standing,
    Storm,
    StormView,
    a_member,
    regroup,
    since_closing,
)
from bot.domain.proposal import ProposalState
from bot.domain.topology import Topology


class StoredGroups:
    """The port `Groups` over any rows."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def place(
        self, incident: Incident, topology: Topology, rules: MergingRules, *, channel: str
    ) -> Placing:
        return await self._transactions.write(lambda tx: _place(tx, incident, topology, rules, channel))

    async def close(self, incident: Incident, topology: Topology, rules: MergingRules) -> Placing:
        return await self._transactions.write(lambda tx: _close(tx, incident, topology, rules))

    async def split(self, incident: IncidentId, by: SlackUserId, name: str) -> Placing:
        return await self._transactions.write(lambda tx: _split(tx, incident, by, name))

    async def get(self, incident: IncidentId) -> Member | None:
        return await self._transactions.read(lambda tx: tx.rows.groups.get(incident))

    async def company(self, incident: IncidentId) -> Company:
        return await self._transactions.read(lambda tx: _company(tx, incident))

    async def standings(self) -> Mapping[IncidentId, Standing]:
        return await self._transactions.read(lambda tx: tx.rows.groups.standings())

    async def untold(self) -> Sequence[Member]:
        return await self._transactions.read(lambda tx: tx.rows.groups.untold())

    async def tell(self, incident: IncidentId) -> None:
        await self._transactions.write(lambda tx: _tell(tx, incident))

    async def ledger(self, limit: int) -> Sequence[MergeEntry]:
        return await self._transactions.read(lambda tx: tx.rows.groups.ledger(limit))

    async def storms_to_show(self, most: int) -> Sequence[StormView]:
        return await self._transactions.read(lambda tx: _storms_to_show(tx, most))

    async def storm_shown(self, storm: Storm) -> None:
        await self._transactions.write(lambda tx: _storm_shown(tx, storm))


def _place(
    tx: Transaction, incident: Incident, topology: Topology, rules: MergingRules, channel: str
) -> Placing:
    known = tx.rows.groups.get(incident.id)
    if known is not None and known.is_open:
        return Placing(member=known)
    if known is not None and known.standing is not Standing.MERGED:
        return _reopened(tx, known)
    fresh = a_member(incident, tx.now) if known is None else known.model_copy(update=_UNPLACED)
    record = tx.rows.incidents.get(incident.id)
    if record is not None and record.card is not None:
        fresh = fresh.model_copy(update={"standing": Standing.OWN})
    elif known is None and tx.rows.groups.were_heard_since(
        tx.now - rules.storm_window, rules.storm_incidents
    ):
        return _mute(tx, fresh, rules, channel)
    return _join(tx, fresh, _near_in_time(tx, fresh, rules), topology, rules)


def _join(
    tx: Transaction, fresh: Member, others: Sequence[Member], topology: Topology, rules: MergingRules
) -> Placing:
    """Place *fresh* among *others*; what comes after a proven recovery is a cause of its own."""
    window = [*others, fresh]
    changed = regroup(window, fresh.order, topology, rules)
    after = next((member for member in changed if member.incident == fresh.incident), fresh)
    if after.host is not None and _is_recovered(tx, IncidentId(after.host)):
        rest = [member for member in others if member.group != after.group]
        return _join(tx, fresh, rest, topology, rules)
    return _apply(tx, fresh, window, changed, _LATE)


def _is_recovered(tx: Transaction, incident: IncidentId) -> bool:
    proposals = tx.rows.proposals.of_incident(incident)
    return bool(proposals) and proposals[-1].state is ProposalState.VERIFIED


_UNPLACED: Mapping[str, object] = {"is_open": True, "host": None, "is_told": False}
_LATE = "an incident opened earlier became known, and it belongs elsewhere"


def _near_in_time(tx: Transaction, member: Member, rules: MergingRules) -> list[Member]:
    """Return what *member* may join, and all that was opened after it, without itself.

    A group that takes it has had an incident within the time of silence, so older groups are not read.
    """
    start, at, rows = member.opened_at - rules.reach, member.opened_at, tx.rows.groups
    recent = rows.between(at - rules.grouping.idle, at + 2 * rules.reach)
    names = {one.group for one in recent} - {one.incident for one in recent}
    earlier = rows.of_groups(names, start, at - rules.grouping.idle) if names else ()
    found = {one.incident: one for one in (*earlier, *recent)}
    return [one for one in found.values() if one.incident != member.incident]


def _around(tx: Transaction, member: Member, rules: MergingRules) -> list[Member]:
    """Return those around *member* whose place may depend on it, without itself."""
    found = tx.rows.groups.between(member.opened_at - rules.reach, member.opened_at + 2 * rules.reach)
    return [one for one in found if one.incident != member.incident]


def _reopened(tx: Transaction, known: Member) -> Placing:
    """Open *known* again where it was: on its own card, or on the storm's."""
    again = known.model_copy(update={"is_open": True})
    tx.rows.groups.put(again)
    return Placing(member=again)


def _mute(tx: Transaction, fresh: Member, rules: MergingRules, channel: str) -> Placing:
    storm = _storm_in(tx, rules, channel)
    tx.rows.groups.put_storm(storm)
    seconds = int(rules.storm_window.total_seconds())
    muted = fresh.model_copy(
        update={
            "standing": Standing.MUTED,
            "host": storm.id,
            "rule": MergeRule.STORM,
            "words": f"more than {rules.storm_incidents} incidents within {seconds} s",
            # A title says what is wrong: it is read in the incident's own channel, and in no other.
            "title": fresh.title if storm.channel == channel else "",
        }
    )
    tx.rows.groups.put(muted)
    _write_down(tx, muted, MergeAct.MUTED, storm.id, muted.words)
    return Placing(member=muted)


def _storm_in(tx: Transaction, rules: MergingRules, channel: str) -> Storm:
    """Return the storm of *channel*, or that of all further channels once many have one."""
    found = _raging(tx, rules, channel)
    if found is None and rules.storm_channel not in ("", channel):
        since = tx.now - rules.storm_idle
        if sum(storm.last_at >= since for storm in tx.rows.groups.storms()) >= rules.storm_channels:
            channel = rules.storm_channel
            found = _raging(tx, rules, channel)
    if found is not None:
        return found.model_copy(update={"last_at": max(found.last_at, tx.now)})
    name = f"storm-{channel}-{tx.now:%Y%m%dT%H%M%S%f}"
    return Storm(id=name, channel=channel, began_at=tx.now, last_at=tx.now)


def _raging(tx: Transaction, rules: MergingRules, channel: str) -> Storm | None:
    last = tx.rows.groups.last_storm(channel)
    return last if last is not None and tx.now - last.last_at <= rules.storm_idle else None


def _close(tx: Transaction, incident: Incident, topology: Topology, rules: MergingRules) -> Placing:
    known = tx.rows.groups.get(incident.id)
    if known is None:
        return _never_open(tx, incident, topology, rules)
    if not known.is_open:
        return Placing(member=known)
    closed = known.model_copy(update={"is_open": False})
    tx.rows.groups.put(closed)
    host = (IncidentId(known.host),) if known.standing is Standing.MERGED and known.host else ()
    if known.standing in (Standing.MUTED, Standing.SPLIT):
        return Placing(member=closed)
    since = since_closing(closed, tx.rows.groups.held_by(incident.id))
    if since is None:
        return Placing(member=closed, touched=host)
    window = [*_around(tx, closed, rules), closed]
    changed = regroup(window, since, topology, rules)
    placing = _apply(tx, closed, window, changed, f"{incident.id} was resolved")
    return placing.model_copy(update={"touched": tuple(dict.fromkeys((*host, *placing.touched)))})


def _never_open(tx: Transaction, incident: Incident, topology: Topology, rules: MergingRules) -> Placing:
    """Keep what was over before it was heard of: what it has in common with others counts."""
    over = a_member(incident, tx.now).model_copy(update={"is_open": False, "standing": Standing.OWN})
    window = [*_around(tx, over, rules), over]
    return _apply(tx, over, window, regroup(window, over.order, topology, rules), _LATE)


def _apply(
    tx: Transaction, subject: Member, before: Sequence[Member], changed: Sequence[Member], why: str
) -> Placing:
    """Write down what changed, with *why* for those that are let go."""
    old = {member.incident: member for member in before}
    released: list[IncidentId] = []
    touched: list[IncidentId] = []
    for member in changed:
        was = old[member.incident]
        tx.rows.groups.put(member)
        if member.standing is Standing.MERGED and member.host and member.host != was.host:
            _write_down(tx, member, MergeAct.MERGED, member.host, member.words)
            touched.append(IncidentId(member.host))
        if was.host is not None and member.standing is Standing.OWN:
            _write_down(tx, member, MergeAct.RELEASED, was.host, why)
            released.append(member.incident)
        if was.host is not None and member.host != was.host:
            touched.append(IncidentId(was.host))
    # One that stands alone, or in nobody's way, changes by nothing: it is new all the same.
    after = next((member for member in changed if member.incident == subject.incident), subject)
    tx.rows.groups.put(after)
    return Placing(member=after, released=tuple(released), touched=tuple(dict.fromkeys(touched)))


def _split(tx: Transaction, incident: IncidentId, by: SlackUserId, name: str) -> Placing:
    known = tx.rows.groups.get(incident)
    if known is None:
        raise NotFound(f"Incident {incident} was never merged or muted.")
    if known.standing is Standing.SPLIT:
        return Placing(member=known)
    if known.standing is Standing.OWN or known.host is None:
        raise Refused(f"Incident {incident} has a card of its own already.")
    split = known.model_copy(update={"standing": Standing.SPLIT, "host": None})
    tx.rows.groups.put(split)
    _write_down(tx, split, MergeAct.SPLIT, known.host, f"it was there because {known.words}", by, name)
    touched = (IncidentId(known.host),) if known.standing is Standing.MERGED else ()
    return Placing(member=split, released=(incident,) if known.is_open else (), touched=touched)


def _write_down(
    tx: Transaction,
    member: Member,
    act: MergeAct,
    host: str,
    words: str,
    by: SlackUserId | None = None,
    name: str = "",
) -> None:
    entry = tx.append(entries.placed(act, member, host, words, by))
    tx.rows.groups.add(
        MergeEntry(
            seq=entry.seq,
            at=tx.now,
            incident=member.incident,
            act=act,
            host=host,
            rule=member.rule,
            words=words,
            by=by,
            name=name,
        )
    )


def _company(tx: Transaction, incident: IncidentId) -> Company:
    rows = tx.rows.groups
    return Company(
        member=rows.get(incident),
        merged=tuple(rows.merged_into(incident)),
        last=rows.last_of(incident),
    )


def _tell(tx: Transaction, incident: IncidentId) -> None:
    known = tx.rows.groups.get(incident)
    if known is not None and not known.is_told:
        tx.rows.groups.put(known.model_copy(update={"is_told": True}))


def _storms_to_show(tx: Transaction, most: int) -> Sequence[StormView]:
    counts = tx.rows.groups.storm_counts()
    found: list[StormView] = []
    for storm in tx.rows.groups.storms():
        open_, all_ = counts.get(storm.id, (0, 0))
        view = StormView(storm=storm, open=open_, all=all_)
        if storm.shown != view.told:
            newest = tuple(tx.rows.groups.muted_by(storm.id, most))
            found.append(view.model_copy(update={"newest": newest}))
    return found


def _storm_shown(tx: Transaction, storm: Storm) -> None:
    """Keep where the storm's card stands and what it says; the times stay as they are by now."""
    now = next((one for one in tx.rows.groups.storms() if one.id == storm.id), None)
    if now is None:
        raise NotFound(f"There is no storm {storm.id}.")
    told = {"ts": storm.ts, "list_ts": storm.list_ts, "shown": storm.shown}
    tx.rows.groups.put_storm(now.model_copy(update=told))
