"""An API server on loopback that follows the published API where steps meet it, and keeps what it was asked.

It knows deployments, replica sets, stateful sets, controller revisions, nodes, secrets and tokens. A patch is
a JSON Patch; one that names a `resourceVersion` which is not the object's is a 409; `dryRun=All` goes through
the same checks and stores nothing. There are no controllers: a new template makes no replica set.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class ClusterServer:
    """The objects by path, the requests in order, and what a test wants to go wrong."""

    url: str = ""
    objects: dict[str, Body] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Each valid token with the path of the secret that it is bound to."""
    refuses: Callable[[Asked], tuple[int, str] | None] = lambda _asked: None
    loses: Callable[[Asked], bool] = lambda _asked: False
    before_patch: Callable[[], object] = lambda: None
    version: int = 100

    def put(self, path: str, body: Body) -> None:
        """Store an object, or change it as somebody else would."""
        self.version += 1
        body.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        self.objects[path] = body

    def writes(self) -> list[Asked]:
        return [one for one in self.asked if one.method != "GET" and "dryRun" not in one.query]

    def answer(self, asked: Asked) -> tuple[int, Body]:
        if refusal := self.refuses(asked):
            return refusal[0], {"kind": "Status", "message": refusal[1], "code": refusal[0]}
        match asked.method:
            case "GET":
                return self._get(asked.path)
            case "PATCH":
                return self._patch(asked)
            case "POST" if asked.path.endswith("/token"):
                return self._token(asked)
            case "POST":
                return self._create(asked)
            case _:
                return self._delete(asked.path)

    def _get(self, path: str) -> tuple[int, Body]:
        if path in self.objects:
            return 200, self.objects[path]
        kept = [body for known, body in self.objects.items() if known.rpartition("/")[0] == path]
        return (200, {"kind": "List", "items": kept}) if path.endswith("s") else _not_found(path)

    def _patch(self, asked: Asked) -> tuple[int, Body]:
        self.before_patch()
        if asked.path not in self.objects:
            return _not_found(asked.path)
        if asked.headers["content-type"] != "application/json-patch+json":
            return 415, {"kind": "Status", "message": "no such patch"}
        patched = deepcopy(self.objects[asked.path])
        for operation in asked.body:
            _apply(patched, operation)
        if patched["metadata"]["resourceVersion"] != self.objects[asked.path]["metadata"]["resourceVersion"]:
            return 409, {"kind": "Status", "reason": "Conflict", "message": "the object has been modified"}
        if (replicas := patched.get("spec", {}).get("replicas")) is not None and replicas < 0:
            return 422, {"kind": "Status", "reason": "Invalid", "message": "must be at least 0"}
        if asked.query.get("dryRun") != ["All"]:
            self.put(asked.path, patched)
        return 200, patched

    def _create(self, asked: Asked) -> tuple[int, Body]:
        path = f"{asked.path}/{asked.body['metadata']['name']}"
        if path in self.objects:
            return 409, {"kind": "Status", "reason": "AlreadyExists", "message": "it exists already"}
        self.put(path, asked.body)
        return 201, asked.body

    def _token(self, asked: Asked) -> tuple[int, Body]:
        spec = asked.body["spec"]
        if spec["expirationSeconds"] < 600:
            message = "spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes"
            return 422, {"kind": "Status", "reason": "Invalid", "message": message}
        namespace = asked.path.rpartition("/serviceaccounts/")[0]
        bound = f"{namespace}/secrets/{spec['boundObjectRef']['name']}"
        if bound not in self.objects:
            return _not_found(bound)
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = bound
        return 201, {"kind": "TokenRequest", "status": {"token": token}}

    def _delete(self, path: str) -> tuple[int, Body]:
        if self.objects.pop(path, None) is None:
            return _not_found(path)
        self.tokens = {token: bound for token, bound in self.tokens.items() if bound != path}
        return 200, {"kind": "Status", "status": "Success"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            status, body = self.answer(asked)
            if self.loses(asked):
                return
            raw = json.dumps(body).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + raw)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # The other side hung up.
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in head[1:] if line)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, parts.path, parse_qs(parts.query), headers, json.loads(raw) if raw else None)


def _apply(body: Body, operation: Body) -> None:
    *way, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
    for key in way:
        body = body[key]
    if operation["op"] == "replace" and last not in body:
        raise KeyError(last)
    body[last] = operation["value"]


def _not_found(path: str) -> tuple[int, Body]:
    return 404, {"kind": "Status", "reason": "NotFound", "message": f"{path} not found"}


@asynccontextmanager
async def cluster_server() -> AsyncIterator[ClusterServer]:
    """Serve an empty cluster."""
    cluster = ClusterServer()
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(cluster.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    cluster.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield cluster
    finally:
        server.close()
        await asyncio.gather(*running, return_exceptions=True)


def a_template(version: str) -> Body:
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"containers": [{"name": "shop", "image": f"registry.example:5000/shop:{version}"}]},
    }


def a_deployment(
    cluster: ClusterServer, *, version: str = "42", revisions: tuple[str, ...] = ("40", "41", "42")
) -> str:
    """Put a deployment `shop` with a replica set a version, and one of somebody else; return its path."""
    base = "/apis/apps/v1/namespaces/shop"
    cluster.put(
        f"{base}/deployments/shop",
        {
            "kind": "Deployment",
            "metadata": {"name": "shop", "uid": "u-shop"},
            "spec": {"replicas": 3, "template": a_template(version)},
        },
    )
    for number, tag in enumerate(revisions, start=1):
        template = a_template(tag)
        template["metadata"]["labels"]["pod-template-hash"] = f"h{number}"
        cluster.put(f"{base}/replicasets/shop-{number}", _replica_set(number, "u-shop", template))
    cluster.put(f"{base}/replicasets/other-9", _replica_set(2, "u-other", a_template("41")))
    return f"{base}/deployments/shop"


def _replica_set(number: int, owner: str, template: Body) -> Body:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"template": template},
    }
