"""A page as PagerDuty posts it, about 6 KB, signed."""

import hashlib
import hmac
import json

SECRET = "a-webhook-secret-of-the-bench"
SIZE = 6 * 1024
_ID = b"01HB%022d"
_MARK = _ID % 0


def bodies(first: int, count: int) -> list[tuple[bytes, bytes]]:
    """Return *count* bodies with an event id each, none told before, and the signature of each."""
    template = _body().partition(_MARK)
    made = []
    for number in range(first, first + count):
        body = template[0] + _ID % number + template[2]
        made.append((body, b"v1=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()))
    return made


def _body() -> bytes:
    incident: dict[str, object] = {
        "id": "Q1AAAAAAAAAAAA",
        "type": "incident",
        "self": "https://api.pagerduty.com/incidents/Q1AAAAAAAAAAAA",
        "html_url": "https://example.pagerduty.com/incidents/Q1AAAAAAAAAAAA",
        "number": 12,
        "status": "triggered",
        "title": "checkout: error ratio above 5 %",
        "created_at": "2026-03-01T11:58:00Z",
        "urgency": "high",
        "service": _reference("PSVC001", "service", "checkout"),
        "escalation_policy": _reference("PPOLIC1", "escalation_policy", "Shop"),
        "priority": None,
        "conference_bridge": None,
    }
    people: list[dict[str, str]] = []
    while True:
        event = {
            "id": _MARK.decode(),
            "event_type": "incident.triggered",
            "resource_type": "incident",
            "occurred_at": "2026-03-01T11:59:00.123Z",
            "agent": None,
            "client": None,
            "data": incident | {"assignees": people, "teams": people},
        }
        body = json.dumps({"event": event}).encode()
        if len(body) >= SIZE:
            return body
        people = [*people, _reference(f"PUSER{len(people):02d}", "user", f"Person {len(people)}")]


def _reference(name: str, kind: str, summary: str) -> dict[str, str]:
    return {
        "id": name,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"https://api.pagerduty.com/{kind}s/{name}",
        "html_url": f"https://example.pagerduty.com/{kind}s/{name}",
    }
