"""The one API: reads a request, executes it, and says errors without showing the inside."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from graphql import ExecutionResult, GraphQLError, OperationType, execute

from appliance.asked import NeedsSignInError, NotForYouError
from appliance.kernel.ask import WriterStoppedError
from appliance.kernel.discreet import where
from appliance.web.context import Request
from appliance.web.documents import BadDocumentError, Document, Documents

logger = logging.getLogger(__name__)

# What a person reads where the box itself failed.
BROKEN: Final = "Something broke here. Please ask whoever looks after the box."


class Envelope(msgspec.Struct):
    """The body of a GraphQL request over HTTP."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")
    extensions: dict[str, Any] | None = None


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_ENCODER: Final = msgspec.json.Encoder()


class Api:
    """Executes GraphQL over the box's schema."""

    def __init__(self, schema: Any, documents: Documents) -> None:
        self.schema = schema
        self.documents = documents

    async def answer(self, request: web.Request, asked: Request) -> web.Response:
        """POST /graphql."""
        try:
            envelope = await self._read(request)
            document = self._document(envelope)
        except BadDocumentError as error:
            return _refused(error.sentences)
        result = execute(
            self.schema,
            document.node,
            context_value=asked,
            variable_values=envelope.variables,
            operation_name=envelope.operation_name,
            hide_suggestions=True,
        )
        if not isinstance(result, ExecutionResult):
            result = await result
        if result.data is None and result.errors and not result.errors[0].path:
            # Wrong variables: nothing was executed.
            return _refused([_first_line(error.message) for error in result.errors[:5]])
        return web.Response(
            body=_ENCODER.encode(said(result, asked)), content_type="application/json"
        )

    async def _read(self, request: web.Request) -> Envelope:
        if request.content_type not in {"application/json", "application/graphql+json"}:
            raise BadDocumentError("Send the query as JSON (Content-Type: application/json).")
        try:
            return _ENVELOPE.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadDocumentError("This is not a GraphQL request in JSON.") from None

    def _document(self, envelope: Envelope) -> Document:
        text = self.text_of(envelope)
        if text is None:
            raise BadDocumentError("There is no query here.")
        document = self.documents.read(text)
        operation = document.operation(envelope.operation_name)
        if operation is None:
            raise BadDocumentError("Name one operation of this document.")
        if operation.operation is OperationType.SUBSCRIPTION:
            raise BadDocumentError("A subscription needs a WebSocket.")
        return document

    def text_of(self, envelope: Envelope) -> str | None:
        """The query's text: as sent, or one of our own by its hash."""
        if envelope.query:
            return envelope.query
        persisted = (envelope.extensions or {}).get("persistedQuery")
        sha256 = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
        return self.documents.by_hash(sha256) if isinstance(sha256, str) else None


def said(result: ExecutionResult, asked: Request) -> dict[str, Any]:
    """A result as it is sent; errors hold a sentence and a code, never an inside."""
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [error_of(error, asked) for error in result.errors]
    return body


def error_of(error: GraphQLError, asked: Request) -> dict[str, Any]:
    """One error as it is shown."""
    cause = error.original_error
    if isinstance(cause, NeedsSignInError):
        code, sentence = "NEEDS_SIGN_IN", asked.text("error.needs_sign_in")
    elif isinstance(cause, NotForYouError):
        code, sentence = "NOT_FOR_YOU", asked.text("error.not_for_you")
    elif isinstance(cause, WriterStoppedError):
        code, sentence = "STOPPING", asked.text("error.stopping")
    elif cause is None or isinstance(cause, GraphQLError):
        code, sentence = "BAD_REQUEST", _first_line(error.message)
    else:
        logger.error("GraphQL %s broke: %s", error.path, where(cause))
        code, sentence = "BROKEN", asked.text("error.broken")
    return {"message": sentence, "path": error.path, "extensions": {"code": code}}


def _first_line(message: str) -> str:
    # What was sent is repeated by some messages; a little of it is enough to find it.
    return message.partition("\n")[0][:200]


def _refused(sentences: Sequence[str]) -> web.Response:
    errors = [{"message": each, "extensions": {"code": "BAD_REQUEST"}} for each in sentences]
    body = {"data": None, "errors": errors, "sentence": sentences[0]}
    return web.Response(status=400, body=_ENCODER.encode(body), content_type="application/json")
