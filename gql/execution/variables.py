"""Errors of variables, told without the values that were sent: those may be secrets, and graphql-core repeats them."""

import re

from graphql import (
    GraphQLError,
    GraphQLSchema,
    VariableDefinitionNode,
    VariableNode,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)
from strawberry.exceptions import StrawberryInputCoercionError

BAD_VARIABLES = "BAD_VARIABLES"
DO_NOT_FIT = "The variables do not fit the document."

_PATH = re.compile(r"^Variable '\$\w+' has invalid (?:default )?value(?: at ((?:\.\w+|\[\d+\])+))?: ")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
#: Parts of graphql-core's messages that tell more than the type does, and carry no value.
_TELLING = re.compile(
    r"to include required field '\w+'|not to include unknown field '\w{1,100}'|exactly one field must be specified"
)


def is_variable_error(error: GraphQLError) -> bool:
    """Tell whether an error of the execution is about the variables: any other has a place in the result."""
    return error.path is None and isinstance(error.original_error, GraphQLError | None)


def is_about_variable(cause: BaseException | None) -> bool:
    """Tell whether a field or directive cannot take the value of a variable: null, where only its default would do."""
    return isinstance(cause, GraphQLError) and any(isinstance(node, VariableNode) for node in cause.nodes or ())


def rebuild(error: GraphQLError, schema: GraphQLSchema) -> GraphQLError:
    """Return the error with a message of variable name, path and expected type."""
    node = error.nodes[0] if error.nodes else None
    if not isinstance(node, VariableDefinitionNode):
        # Strawberry's own check of inputs that take exactly one key does not say where it was.
        is_telling = isinstance(error, StrawberryInputCoercionError) and "exactly one key" in error.message
        message = error.message if is_telling else DO_NOT_FIT
        return GraphQLError(message, nodes=error.nodes, extensions={"code": BAD_VARIABLES})
    found = _PATH.match(error.message)
    path = (found and found.group(1)) or ""
    telling = _TELLING.search(error.message)
    expected = telling.group(0) if telling else f"a value of type '{_type_at(schema, node, path)}'"
    message = f"Variable '${node.variable.name.value}' is invalid{path and ' at ' + path}: expected {expected}."
    return GraphQLError(message, nodes=error.nodes, extensions={"code": BAD_VARIABLES})


def _type_at(schema: GraphQLSchema, node: VariableDefinitionNode, path: str) -> object:
    type_: object = type_from_ast(schema, node.type)
    for name, _index in _STEP.findall(path):
        while is_non_null_type(type_):
            type_ = type_.of_type
        if is_list_type(type_):
            type_ = type_.of_type
        elif is_input_object_type(type_) and name in type_.fields:
            type_ = type_.fields[name].type
    return type_
