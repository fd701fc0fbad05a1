"""What the embedded Temporal is asked while it starts, through its client."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.engine.embedded.errors import ChildFailed

_PROBE = timedelta(seconds=2)
_REGISTER = timedelta(seconds=20)


async def has_namespace(address: str, namespace: str) -> bool:
    """Return whether the server at *address* answers, and has the namespace."""
    try:
        client = await Client.connect(address, namespace=namespace)
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=namespace), timeout=_PROBE
        )
    except (OSError, RPCError, RuntimeError):
        # RuntimeError is what the client raises when it cannot connect.
        return False
    return True


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
