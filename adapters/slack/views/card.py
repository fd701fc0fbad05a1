"""The card of an incident, from its values to Block Kit."""

import json
from collections.abc import Iterator

from adapters.slack.actions import DETAILS, action_id
from adapters.slack.views.blocks import Block, actions, button, context, divider, header, sections
from adapters.slack.views.cause import LEVELS, Detail, plain_lines, provenance, reasons, situation
from adapters.slack.views.limits import lint
from adapters.slack.views.plan import plan_paragraphs
from adapters.slack.views.text import Mrkdwn, bold, clock_time, escape, join, shorten
from bot.domain.approval import Action
from bot.domain.card import Card, Offer, Progress, ProgressKind
from bot.domain.proposal import ProposalState

_S = ProposalState
_SHOWS_PLAN = frozenset({_S.PENDING, _S.PROPOSED, _S.APPROVED, _S.STARTED, _S.UNKNOWN})
_MAY_PROPOSE_AGAIN = frozenset(
    {_S.EXPIRED, _S.DENIED, _S.CANCELLED, _S.SUPERSEDED, _S.FAILED, _S.NOT_RECOVERED}
)
_MARKS = {
    ProgressKind.RUNNING: "…",
    ProgressKind.DONE: "✓",
    ProgressKind.FAILED: "✗",
    ProgressKind.UNKNOWN: "?",
    ProgressKind.SKIPPED: "–",
}
_STATES = {
    _S.PENDING: "Being prepared",
    _S.PROPOSED: "Waiting for approval",
    _S.APPROVED: "Approved, starts now",
    _S.STARTED: "Running",
    _S.DONE: "Done, the proof is being watched",
    _S.FAILED: "Failed",
    _S.UNKNOWN: "Unknown whether it ran: somebody must look",
    _S.VERIFIED: "Recovered",
    _S.NOT_RECOVERED: "Did not recover",
    _S.DENIED: "Denied",
    _S.EXPIRED: "Expired",
    _S.CANCELLED: "Cancelled",
    _S.SUPERSEDED: "Replaced",
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
    parts = [shorten(_first_line(card), 500), shorten(card.incident.title, 300)]
    if card.cause is not None:
        parts.append(shorten(card.cause.headline, 300))
    if card.offer is not None:
        parts.append(shorten(f"{_STATES[card.offer.state]}: {card.offer.plan.title}", 300))
    return join(parts, " · ")


def _fits(blocks: tuple[Block, ...]) -> bool:
    return not lint(blocks)


def _blocks(card: Card, detail: Detail, *, with_plan: bool) -> tuple[Block, ...]:
    found = [*_heading(card, detail), *sections(situation(card, detail))]
    if card.cause is not None:
        found += [divider(), *sections(reasons(card.cause, detail)), context(provenance(card.cause, detail))]
    if card.notes:
        found += sections(plain_lines(card.notes, detail))
    shows_plan = False
    if card.offer is not None:
        shows_plan = with_plan and card.offer.state in _SHOWS_PLAN
        found += [divider(), *_offer(card, card.offer, detail, shows_plan=shows_plan)]
    return (*found, actions(list(_buttons(card, shows_plan=shows_plan))))


def _heading(card: Card, detail: Detail) -> tuple[Block, ...]:
    said = _first_line(card)
    return header(said) if len(said) <= detail.title else sections([bold(shorten(said, detail.title))])


def _first_line(card: Card) -> str:
    """Return the state and where: on a phone's lock screen nothing more is read."""
    where = card.incident.service or card.incident.pagerduty_service_name or ""
    return card.status_line if not where or where in card.status_line else f"{card.status_line} · {where}"


def _offer(card: Card, offer: Offer, detail: Detail, *, shows_plan: bool) -> Iterator[Block]:
    if shows_plan:
        yield from sections(plan_paragraphs(offer.plan, mentions=not card.mentions))
    else:
        title = shorten(offer.plan.title, detail.title)
        yield from sections([Mrkdwn(f"*Proposed:* {title}"), *_not_offered(offer)])
    yield from sections(_standing(offer, detail))


def _not_offered(offer: Offer) -> list[Mrkdwn]:
    if offer.state not in (_S.PENDING, _S.PROPOSED):
        return []
    return [escape("The plan is too long to be shown whole on a card, so it cannot be approved here.")]


def _standing(offer: Offer, detail: Detail) -> list[Mrkdwn]:
    """Return where the proposal stands: who said what, what ran, what came of it."""
    state = bold(escape(_STATES[offer.state]))
    reason = "" if offer.reason in offer.outcome else offer.reason
    lines = [join([state, shorten(reason, detail.line)], " — ")]
    lines += [
        Mrkdwn(f"Approved by {shorten(one.name, 80)} at {clock_time(one.at)} ({shorten(one.grounds, 80)})")
        for one in offer.approvals[:6]
    ]
    if offer.state in (_S.PROPOSED, _S.APPROVED) and offer.plan.quorum > 1:
        lines.append(escape(f"{len(offer.approvals)} of {offer.plan.quorum} approvals"))
    if offer.denied_by:
        lines.append(Mrkdwn(f"Denied by {shorten(offer.denied_by, 80)}"))
    lines += [_progress(one, detail) for one in offer.progress[-12:]]
    if len(offer.progress) > 12:
        lines.append(escape(f"({len(offer.progress) - 12} earlier lines in Details)"))
    lines.append(bold(shorten(offer.outcome, detail.title)))
    return lines


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
    elif offer.state in _MAY_PROPOSE_AGAIN and offer.may_propose_again:
        yield button("Propose again", action_id=action_id(Action.PROPOSE_AGAIN), value=value)


def _compact(value: dict[str, str]) -> str:
    return json.dumps(value, separators=(",", ":"))
