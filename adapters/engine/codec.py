"""Payloads of the engine, encrypted and authenticated: what has not been sealed with our key is refused.

The engine's ports have no authentication on one machine, so any local user may start, signal or answer.
Arguments, results, memos, and messages and traces of failures are sealed. Names stay readable: those of
workflows, signals, activities, failure types, task queues and search attributes. A message without any
payload cannot be told from a stranger's, so handlers and activities take an argument and give a result.
"""

import dataclasses
import hashlib
import secrets
from collections.abc import Sequence
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncodingPayloadConverter,
    PayloadCodec,
)
from temporalio.exceptions import ApplicationError

SEALED = b"binary/handrail-aes256gcm"
REFUSED = b"binary/handrail-refused"
REFUSED_TYPE = "PayloadRefused"
_NONCE_BYTES = 12  # 96 bits, the length that GCM is defined for.


class SealingCodec(PayloadCodec):
    """AES-256-GCM with a random nonce; metadata names the key, and is bound to the ciphertext.

    A payload that does not open is replaced by one marked `REFUSED`, for which the payload converter raises.
    Raising here instead would fail the whole workflow task: one plain signal of a stranger would then end or
    block an incident's workflow. Refused in the converter, a signal is dropped, a start and an update fail
    for good, and a result or argument raises where it is used.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError(f"the payload key has {len(key)} bytes, not 32")
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"handrail payload key id" + key).hexdigest()[:16].encode()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return every payload sealed."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return every payload opened, or marked as refused."""
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, payload.SerializeToString(), self._bound)
        return Payload(metadata={"encoding": SEALED, "key-id": self._key_id}, data=nonce + sealed)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != SEALED:
            return _refused("it is not encrypted")
        if payload.metadata.get("key-id") != self._key_id:
            return _refused("it is encrypted with another key")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(self._cipher.decrypt(nonce, sealed, self._bound))
        except (InvalidTag, ValueError, DecodeError):
            return _refused("it was changed or is no ciphertext of ours")

    @property
    def _bound(self) -> bytes:
        return SEALED + b"\0" + self._key_id


class _RefusedPayload(EncodingPayloadConverter):
    """Converts nothing, and raises for a payload that the codec refused."""

    @property
    def encoding(self) -> str:
        return REFUSED.decode()

    def to_payload(self, value: object) -> None:
        """Leave *value* to the other converters."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> NoReturn:
        """Raise a failure that Temporal does not retry."""
        raise ApplicationError(
            f"Payload refused: {payload.data.decode()}. Clients of this bot's workflows need its key.",
            type=REFUSED_TYPE,
            non_retryable=True,
        )


class SealedPayloadConverter(CompositePayloadConverter):
    """Pydantic's converter, which also knows refused payloads."""

    def __init__(self) -> None:
        super().__init__(*PydanticPayloadConverter().converters.values(), _RefusedPayload())


def data_converter(key: bytes) -> DataConverter:
    """Return the converter for every client, worker and replayer; *key* has 32 bytes.

    Messages and stack traces of failures are sealed too.
    """
    return dataclasses.replace(
        pydantic_data_converter,
        payload_converter_class=SealedPayloadConverter,
        payload_codec=SealingCodec(key),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _refused(reason: str) -> Payload:
    """Return a payload that carries our reason, and nothing of what was sent."""
    return Payload(metadata={"encoding": REFUSED}, data=reason.encode())
