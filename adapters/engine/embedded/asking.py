"""Search attributes of the embedded Temporal, made known through its client."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.engine.embedded.errors import ChildFailed

_REGISTER = timedelta(seconds=20)


async def register(address: str, namespace: str, search_attributes: Mapping[str, str]) -> None:
    """Make the search attributes known: names to Temporal's types ("Keyword", "Int", "Datetime", …).

    Raises:
        ChildFailed: the server refused them.
    """
    kinds = {
        name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}")
        for name, kind in search_attributes.items()
    }
    client = await Client.connect(address, namespace=namespace)
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=namespace, search_attributes=kinds), timeout=_REGISTER
        )
    except RPCError as exc:
        raise ChildFailed(f"temporal refused the search attributes {sorted(kinds)}: {exc.message}.") from exc
