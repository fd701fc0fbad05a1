"""The JSON of what responders tell of an incident: status updates and the values of custom fields."""

from collections.abc import Iterable, Mapping, Sequence

from adapters.sandbox.pagerduty.bodies import Bodies, Body, timestamp
from adapters.sandbox.pagerduty.models import StatusUpdate


def status_update_body(update: StatusUpdate, bodies: Bodies) -> Body:
    """Return a status update as the REST API answers it."""
    return {
        "id": update.id,
        "message": update.message,
        "created_at": timestamp(update.created_at),
        "sender": bodies.agent(update.user_id),
    }


def published_body(update: StatusUpdate) -> Body:
    """Return what is under `data`, beside the incident, in the webhook of a status update."""
    return {"id": update.id, "message": update.message, "trimmed": False, "type": "incident_status_update"}


def field_bodies(names: Sequence[str], values: Mapping[str, str | None]) -> list[Body]:
    """Return the value of every custom field of these *names*, null where none was set."""
    return [_field(number, name, values.get(name)) for number, name in enumerate(names, start=1)]


def fields_updated_body(fields: Sequence[Body], changed: Iterable[str]) -> Body:
    """Return what is under `data`, beside the incident, in the webhook of changed custom fields."""
    told = [{key: value for key, value in field.items() if key != "display_name"} for field in fields]
    names = set(changed)
    return {
        "custom_fields": told,
        "changed_custom_fields": [field for field in told if field["name"] in names],
        "type": "incident_field_values",
    }


def _field(number: int, name: str, value: str | None) -> Body:
    return {
        "id": f"PFIELD{number}",
        "type": "field_value",
        "name": name,
        "namespace": "incidents",
        "display_name": name.replace("_", " ").capitalize(),
        "data_type": "string",
        "field_type": "single_value",
        "value": value,
    }
