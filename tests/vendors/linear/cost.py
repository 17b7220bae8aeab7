"""What a question costs, as Linear publishes it: a tenth for a property, one for an object, a list its page
size times that of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)
from graphql.execution.values import get_argument_values, get_variable_values

USUAL_PAGE = 50


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation that is meant. Raises GraphQLError when that is not clear."""
    found = [
        node
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
        and (name is None or (node.name and node.name.value == name))
    ]
    if len(found) != 1:
        raise GraphQLError("Must provide the name of one operation of the document.")
    return found[0]


def complexity(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> float:
    """Raises GraphQLError for variables that do not fit."""
    values = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(values, list):
        raise values[0]
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    return Scale(schema, fragments, values).cost(operation.selection_set, schema.query_type)


@dataclass
class Scale:
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: Any

    def cost(self, selection: SelectionSetNode | None, parent: Any) -> float:
        return sum(self._part(node, parent) for node in (selection.selections if selection else ()))

    def _part(self, node: Any, parent: Any) -> float:
        if isinstance(node, FragmentSpreadNode):
            return self._part_of_fragment(self.fragments[node.name.value], parent)
        if isinstance(node, InlineFragmentNode):
            return self._part_of_fragment(node, parent)
        return self._field(node, parent)

    def _part_of_fragment(self, node: Any, parent: Any) -> float:
        named = node.type_condition
        kind = self.schema.type_map[named.name.value] if named else parent
        return self.cost(node.selection_set, kind)

    def _field(self, node: FieldNode, parent: Any) -> float:
        name = node.name.value
        if name.startswith("__"):  # what a type is called costs as a property, the schema nothing
            return 0.1 if name == "__typename" else 0.0
        field = parent.fields[name]
        kind: Any = get_named_type(field.type)
        if is_leaf_type(kind):
            return 0.1
        if kind.name == "PageInfo":
            return 0.0
        if kind.name.endswith("Edge"):
            return self.cost(node.selection_set, kind)
        if kind.name.endswith("Connection"):
            arguments = get_argument_values(field, node, self.variables)
            asked = arguments.get("first") or arguments.get("last") or USUAL_PAGE
            return float(asked) * max(1.0, self.cost(node.selection_set, kind))
        return 1 + self.cost(node.selection_set, kind)
