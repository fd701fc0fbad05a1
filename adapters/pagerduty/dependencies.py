"""Call edges from PagerDuty's service dependencies."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.pagerduty.rest import RestApi, path_of
from bot.domain.catalogue import Catalogue
from bot.domain.errors import Unavailable
from bot.domain.ids import ServiceName


class _Side(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str


class _Relationship(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    supporting_service: _Side
    dependent_service: _Side


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    relationships: tuple[_Relationship, ...] = ()


class PagerDutyDependencies:
    """Implements `GraphSource` over the REST API: a dependent service calls the one that supports it."""

    name = "PagerDuty"

    def __init__(self, api: RestApi, catalogue: Catalogue) -> None:
        self._api = api
        self._catalogue = catalogue

    async def edges(self) -> Sequence[tuple[ServiceName, ServiceName]]:
        """Return the edges between services of the catalogue; business services are left out.

        One request at a time: the threads that ask PagerDuty are there for incidents first.
        """
        found: dict[tuple[ServiceName, ServiceName], None] = {}
        for service in self._catalogue.services.values():
            for pagerduty_id in service.pagerduty:
                path = f"service_dependencies/technical_services/{path_of(pagerduty_id)}"
                try:
                    answer = _Answer.model_validate(await self._api.get(path))
                except ValidationError as exc:
                    raise Unavailable(f"PagerDuty's answer to GET {path} cannot be read.") from exc
                found |= dict.fromkeys(self._pairs(answer))
        return tuple(found)

    def _pairs(self, answer: _Answer) -> Sequence[tuple[ServiceName, ServiceName]]:
        by_id = self._catalogue.by_pagerduty_id
        pairs = (
            (by_id(one.dependent_service.id), by_id(one.supporting_service.id))
            for one in answer.relationships
        )
        return tuple((caller, callee) for caller, callee in pairs if caller and callee)
