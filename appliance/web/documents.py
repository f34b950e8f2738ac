"""GraphQL documents: parsed, measured and validated once, kept by their text."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    validate,
)
from graphql.validation import NoSchemaIntrospectionCustomRule, specified_rules

# DESIGN section 10, and the largest screen of ours uses 4.
DEPTH_MAX: Final = 5
# Names the asker makes up: a screen needs a dozen.
ALIASES_MAX: Final = 30
# The kiosk's longest document has 400.
TOKENS_MAX: Final = 2_000
# One field is 1, below a list 10 times that for each list: a full arrivals screen is about 4,000.
COST_MAX: Final = 10_000
LIST_FACTOR: Final = 10
# A mutation is a commit.
MUTATION_COST: Final = 50
# Our own clients have about 60 documents; strangers may push each other out.
KEPT_MAX: Final = 512
# Nothing of ours is longer; the body's limit is 64 KiB.
TEXT_CHARS_MAX: Final = 16_384
ERRORS_MAX: Final = 5
# What shows the schema: for the head office's composition there is docs/schema.graphql.
_SHOWING: Final = frozenset({"_service", "_entities"})


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may be executed."""

    node: DocumentNode
    operations: tuple[OperationDefinitionNode, ...]

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of a name, or the only one."""
        if name is None:
            return self.operations[0] if len(self.operations) == 1 else None
        return next((one for one in self.operations if one.name and one.name.value == name), None)


class BadDocumentError(Exception):
    """The document cannot be executed; each sentence says why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


class Documents:
    """The documents of late, and the ones of our own clients by their hash."""

    def __init__(self, schema: GraphQLSchema, *, open_to_look: bool = False) -> None:
        self._schema = schema
        self._open = open_to_look
        self._kept: OrderedDict[str, Document | BadDocumentError] = OrderedDict()
        self._own = {hashlib.sha256(text.encode()).hexdigest(): text for text in _own_texts()}
        rules = list(specified_rules)
        self._rules = rules if open_to_look else [*rules, NoSchemaIntrospectionCustomRule]

    def by_hash(self, sha256: str) -> str | None:
        """The text of a document of our own clients."""
        return self._own.get(sha256)

    def read(self, text: str) -> Document:
        """The document of a text; raises with the same sentences every time it is asked."""
        kept = self._kept.get(text)
        if kept is None:
            try:
                kept = self._looked_at(text)
            except BadDocumentError as error:
                kept = error
            self._kept[text] = kept
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(text)
        if isinstance(kept, BadDocumentError):
            raise BadDocumentError(*kept.sentences)
        return kept

    def _looked_at(self, text: str) -> Document:
        if len(text) > TEXT_CHARS_MAX:
            raise BadDocumentError(f"A query has at most {TEXT_CHARS_MAX} characters.")
        try:
            node = parse(text, no_location=True, max_tokens=TOKENS_MAX)
        except GraphQLError as error:
            raise BadDocumentError(error.message) from None
        except RecursionError:
            raise BadDocumentError(f"A query is at most {DEPTH_MAX} levels deep.") from None
        measured = _Measure(node, self._schema, open_to_look=self._open)
        for operation in measured.operations:
            measured.check(operation)
        errors = validate(
            self._schema, node, self._rules, max_errors=ERRORS_MAX, hide_suggestions=True
        )
        if errors:
            raise BadDocumentError(*(error.message for error in errors[:ERRORS_MAX]))
        if not measured.operations:
            raise BadDocumentError("There is no operation in this query.")
        return Document(node, measured.operations)


class _Measure:
    """Depth, cost and aliases of a document that nobody has validated yet."""

    def __init__(self, node: DocumentNode, schema: GraphQLSchema, *, open_to_look: bool) -> None:
        self._schema = schema
        self._open = open_to_look
        self._fragments = {
            part.name.value: part
            for part in node.definitions
            if isinstance(part, FragmentDefinitionNode)
        }
        self.operations = tuple(
            part for part in node.definitions if isinstance(part, OperationDefinitionNode)
        )
        self._aliases = 0
        self._cost = 0

    def check(self, operation: OperationDefinitionNode) -> None:
        root = self._schema.get_root_type(operation.operation)
        each = MUTATION_COST if operation.operation is OperationType.MUTATION else 1
        self._aliases = self._cost = 0
        self._walk(operation.selection_set, root, depth=1, factor=each, inside=())

    def _walk(
        self,
        selections: SelectionSetNode,
        parent: Any,
        *,
        depth: int,
        factor: int,
        inside: tuple[str, ...],
    ) -> None:
        for name, node in self._fields(selections, inside):
            if not self._open and name in _SHOWING:
                raise BadDocumentError("The schema is not shown here.")
            looking = name.startswith("__")
            if not looking and depth > DEPTH_MAX:
                raise BadDocumentError(f"A query is at most {DEPTH_MAX} levels deep.")
            self._count(node, factor)
            if node.selection_set is None:
                continue
            field = getattr(parent, "fields", {}).get(name)
            below = factor
            if field is not None and is_list_type(get_nullable_type(field.type)):
                below = factor * LIST_FACTOR
            self._walk(
                node.selection_set,
                get_named_type(field.type) if field is not None else None,
                # Looking at the schema is deep by nature; its cost still counts.
                depth=depth if looking and self._open else depth + 1,
                factor=below,
                inside=inside,
            )

    def _count(self, node: FieldNode, factor: int) -> None:
        self._aliases += node.alias is not None
        self._cost += factor
        if self._aliases > ALIASES_MAX:
            raise BadDocumentError(f"A query has at most {ALIASES_MAX} aliases.")
        if self._cost > COST_MAX:
            raise BadDocumentError(f"This query costs more than {COST_MAX}: ask for less at once.")

    def _fields(
        self, selections: SelectionSetNode, inside: tuple[str, ...]
    ) -> Iterator[tuple[str, FieldNode]]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node.name.value, node
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(node.selection_set, inside)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = self._fragments.get(name)
                if fragment is None or name in inside or len(inside) >= DEPTH_MAX:
                    # A circle or an unknown fragment: validation says so in its own words.
                    raise BadDocumentError(f"The fragment {name!r} is unknown or goes in a circle.")
                yield from self._fields(fragment.selection_set, (*inside, name))


def _own_texts() -> list[str]:
    folder = files("appliance.web") / "queries"
    if not folder.is_dir():
        return []
    return [
        entry.read_text(encoding="utf-8").strip()
        for entry in folder.iterdir()
        if entry.name.endswith(".graphql")
    ]
