"""The card of an incident, from its values to Block Kit."""

import json
from collections.abc import Iterator

from adapters.slack.actions import DETAILS, action_id
from adapters.slack.views.also import also
from adapters.slack.views.asking import ask_blocks
from adapters.slack.views.blocks import Block, actions, button, context, divider, header, sections
from adapters.slack.views.cause import LEVELS, Detail, plain_lines, provenance, reasons, situation
from adapters.slack.views.limits import lint
from adapters.slack.views.plan import essentials, small_print
from adapters.slack.views.text import Mrkdwn, bold, clock_time, escape, join, shorten
from bot.domain.approval import Action, denial
from bot.domain.card import Card, Offer, Progress, ProgressKind
from bot.domain.proposal import Approval, ProposalState

_S = ProposalState
_SHOWS_PLAN = frozenset({_S.PENDING, _S.PROPOSED, _S.APPROVED, _S.STARTED, _S.UNKNOWN})
_MAY_PROPOSE_AGAIN = frozenset(
    {_S.EXPIRED, _S.DENIED, _S.CANCELLED, _S.SUPERSEDED, _S.FAILED, _S.NOT_RECOVERED}
)
_WAS_TRIED = frozenset({_S.FAILED, _S.UNKNOWN})
_HAS_RUN = frozenset({_S.DONE, _S.UNDOING, _S.VERIFIED, _S.NOT_RECOVERED})
_MARKS = {
    ProgressKind.RUNNING: "…",
    ProgressKind.DONE: "✓",
    ProgressKind.FAILED: "✗",
    ProgressKind.UNKNOWN: "?",
    ProgressKind.SKIPPED: "–",
}
_REST = "The rest of the plan, word for word:"
_STATES = {
    _S.PENDING: "Being prepared",
    _S.PROPOSED: "Waiting for approval",
    _S.APPROVED: "Approved, starts now",
    _S.STARTED: "Running",
    _S.DONE: "Done, the proof is being watched",
    _S.UNDOING: "Did not help, its undo runs as approved with it",
    _S.FAILED: "Failed",
    _S.UNKNOWN: "Unknown whether it ran: somebody must look",
    _S.VERIFIED: "Recovered",
    _S.NOT_RECOVERED: "Did not help",
    _S.DENIED: "Denied",
    _S.EXPIRED: "Expired",
    _S.CANCELLED: "Withdrawn",
    _S.SUPERSEDED: "Out of date",
}


def shows_whole(card: Card) -> bool:
    """Say whether the card's plan can be offered: shown to the last byte beside the rest of the card."""
    if card.offer is None:
        return True
    offer = card.offer.model_copy(update={"state": _S.PROPOSED})
    return _fits(_blocks(card.model_copy(update={"offer": offer}), LEVELS[-1], with_plan=True))


def card_blocks(card: Card) -> tuple[Block, ...]:
    """Return the card's blocks, within Slack's limits.

    Free text gives way to the plan and says how much is left out. A plan that does not fit has no Approve.
    """
    for with_plan in (True, False):
        for detail in LEVELS:
            blocks = _blocks(card, detail, with_plan=with_plan)
            if _fits(blocks):
                return blocks
    return _blocks(card.model_copy(update={"notes": (), "on_call": ()}), LEVELS[-1], with_plan=False)


def card_text(card: Card) -> str:
    """Return the card in one escaped line, for notifications and screen readers."""
    title = card.incident.title
    first = card.status_line if (card.incident.service or "") in title else _first_line(card)
    parts = [join([shorten(first, 500), shorten(title, 300)], ": ")]
    if card.cause is not None:
        parts.append(shorten(card.cause.headline, 300))
    if card.offer is not None:
        parts.append(shorten(f"{_plan_label(card.offer)}: {card.offer.plan.title}", 300))
        parts.append(shorten(card.offer.outcome.removesuffix("."), 300))
    return Mrkdwn(f"{join(parts, '. ')}.")


def _fits(blocks: tuple[Block, ...]) -> bool:
    return not lint(blocks)


def _blocks(card: Card, detail: Detail, *, with_plan: bool) -> tuple[Block, ...]:
    found = [*_heading(card, detail), *sections([*situation(card, detail), *also(card, detail)])]
    if card.cause is not None:
        found += [divider(), *sections(reasons(card.cause, detail))]
        if told := provenance(card.cause, detail):
            found.append(context(told))
    if card.notes:
        found += sections(plain_lines(card.notes, detail))
    shows_plan = with_plan and card.offer is not None and card.offer.state in _SHOWS_PLAN
    if card.offer is not None:
        found += [divider(), *_offer(card, card.offer, detail, shows_plan=shows_plan)]
    found.append(actions(list(_buttons(card, shows_plan=shows_plan))))
    # On the barest card the plan has all the room: no plan becomes unshowable for a question.
    if card.ask is not None and detail is not LEVELS[-1]:
        found += ask_blocks(card.ask, card.said)
    if card.offer is not None and shows_plan:
        found += [context(escape(_REST)), *sections(small_print(card.offer.plan), is_open=True)]
    return tuple(found)


def _heading(card: Card, detail: Detail) -> tuple[Block, ...]:
    said = _first_line(card)
    return header(said) if len(said) <= detail.title else sections([bold(shorten(said, detail.title))])


def _first_line(card: Card) -> str:
    """Return the state and where: on a phone's lock screen nothing more is read."""
    where = card.incident.service or card.incident.pagerduty_service_name or ""
    return card.status_line if not where or where in card.status_line else f"{card.status_line} · {where}"


def _offer(card: Card, offer: Offer, detail: Detail, *, shows_plan: bool) -> Iterator[Block]:
    if shows_plan:
        names = ", ".join(card.on_call)
        known = None if not card.mentions else dict(card.approvers)
        yield from sections(essentials(offer.plan, names=known, on_call=names), is_open=True)
    else:
        title = shorten(offer.plan.title, detail.title)
        yield from sections([Mrkdwn(f"*{_plan_label(offer)}:* {title}"), *_not_offered(offer)])
    yield from sections(_standing(offer, detail))


def _plan_label(offer: Offer) -> str:
    if offer.state in _WAS_TRIED:
        return "Tried"
    return "Ran" if offer.state in _HAS_RUN else "Proposed"


def _not_offered(offer: Offer) -> list[Mrkdwn]:
    if offer.state not in (_S.PENDING, _S.PROPOSED):
        return []
    return [escape("The plan is too long to be shown whole on a card, so it cannot be approved here.")]


def _standing(offer: Offer, detail: Detail) -> list[Mrkdwn]:
    """Return where the proposal stands: what came of it, who said what, what ran."""
    lines = [_state(offer, detail), bold(shorten(offer.outcome, detail.title))]
    if offer.state in _WAS_TRIED:
        lines = [join(lines, " — ")]
    lines += [_approval(one, offer) for one in offer.approvals[:6]]
    lines += _count(offer)
    if offer.denied_by and offer.denied_by not in offer.outcome:
        lines.append(Mrkdwn(f"Denied by {shorten(offer.denied_by, 80)}"))
    lines += [_progress(one, detail) for one in offer.progress[-12:]]
    if len(offer.progress) > 12:
        lines.append(escape(f"({len(offer.progress) - 12} earlier lines in Details)"))
    return lines


def _count(offer: Offer) -> list[Mrkdwn]:
    """Return how many of the people it takes have approved, such as `1 of 2: Dana; one more person`."""
    needed = max(offer.plan.quorum, *(one.needed for one in offer.approvals), 1)
    missing = needed - len(offer.approvals)
    if offer.state is not _S.PROPOSED or needed == 1 or not offer.approvals:
        return []
    names = ", ".join(one.name for one in offer.approvals)
    more = "one more person" if missing == 1 else f"{missing} more people"
    return [shorten(f"{len(offer.approvals)} of {needed}: {names}; {more}", 200)]


def _approval(one: Approval, offer: Offer) -> Mrkdwn:
    name, at = shorten(one.name, 80), clock_time(one.at)
    if offer.state is _S.DENIED:
        return Mrkdwn(f"The approval by {name} at {at} was taken back")
    said = Mrkdwn(f"Approved by {name} at {at} ({shorten(one.grounds, 80)})")
    return join([said, shorten(one.reason, 200)], ": ") if one.reason else said


def _state(offer: Offer, detail: Detail) -> Mrkdwn:
    """Return the state with its reason, unless the outcome or the buttons say the same already."""
    said = _STATES[offer.state]
    reason = "" if offer.reason.casefold() in offer.outcome.casefold() else offer.reason
    if offer.outcome.startswith(said) or (offer.state is _S.PROPOSED and not reason):
        return shorten(reason, detail.line)
    return join([bold(escape(said)), shorten(reason, detail.line)], " — ")


def _progress(one: Progress, detail: Detail) -> Mrkdwn:
    said = join([shorten(one.name, 80), shorten(one.detail, detail.line)], " — ")
    return Mrkdwn(f"{_MARKS[one.kind]} {clock_time(one.at)} {said}")


def _buttons(card: Card, *, shows_plan: bool) -> Iterator[Block]:
    if card.offer is not None:
        yield from _decisions(card.offer, shows_plan=shows_plan)
    yield button("Details", action_id=DETAILS, value=_compact({"i": card.incident_id}))


def _decisions(offer: Offer, *, shows_plan: bool) -> Iterator[Block]:
    value = _compact({"p": offer.id, "d": offer.digest})
    if offer.state is _S.PROPOSED:
        if shows_plan:
            yield button(offer.plan.button, action_id=action_id(Action.APPROVE), value=value, style="primary")
        yield button("Deny", action_id=action_id(Action.DENY), value=value, style="danger")
    elif offer.state is _S.UNKNOWN:
        yield button("It ran", action_id=action_id(Action.IT_RAN), value=value)
        yield button("It did not", action_id=action_id(Action.IT_DID_NOT), value=value)
        yield button("Check again", action_id=action_id(Action.CHECK_AGAIN), value=value)
    elif offer.state is _S.DENIED and offer.reason == denial(offer.denied_by or ""):
        yield button("Say why", action_id=action_id(Action.SAY_WHY), value=value)
    if offer.state in _MAY_PROPOSE_AGAIN and offer.may_propose_again:
        yield button("Propose again", action_id=action_id(Action.PROPOSE_AGAIN), value=value)


def _compact(value: dict[str, str]) -> str:
    return json.dumps(value, separators=(",", ":"))
