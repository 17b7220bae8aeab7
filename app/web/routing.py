"""Routes that carry their own rules.

    api = Api("projects")

    @api.post("/projects", permission="project.create", body=NewProject, reply=ProjectReply, status=201)
    def create(body):
        \"\"\"Create a project.\"\"\"
        return {"project": service.create(**body)}

Everything a route needs checked stands in its decorator: the permission, whether it works in the
active project, the schemas of its input, its limit, whether it honours an idempotency key. The same
declaration makes the OpenAPI document. `verify` refuses to start an application with a route that
declares nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response
from marshmallow import Schema

from app.web import access, idempotency, inputs, limits
from app.web.operation import PUBLIC, Operation
from app.web.responses import ok

Handler = Callable[..., Any]


class DeclarationError(RuntimeError):
    """A route breaks the rules of this module; the application does not start."""


class Api(Blueprint):
    """A domain's blueprint. `get` and `post` take the declaration of the route."""

    def __init__(self, name: str, import_name: str = __name__, **kwargs: Any) -> None:
        super().__init__(name, import_name, **kwargs)

    def get(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        return self._declare("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        return self._declare("POST", path, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        *,
        permission: str,
        project: bool = True,
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        reply: type[Schema] | None = None,
        status: int = 200,
        limit: str | None = None,
        idempotent: bool = False,
        errors: tuple[str, ...] = (),
        machine: bool = False,
    ) -> Callable[[Handler], Handler]:
        def decorate(handler: Handler) -> Handler:
            summary, _, rest = (handler.__doc__ or handler.__name__).strip().partition("\n")
            operation = Operation(
                method=method,
                path=path,
                permission=permission,
                project=project and permission != PUBLIC,
                body=body,
                query=query,
                reply=reply,
                status=status,
                limit=limit,
                idempotent=idempotent,
                errors=errors,
                machine=machine,
                tag=self.name,
                summary=summary,
                description=" ".join(rest.split()),
            )
            view = _checked(operation, handler)
            self.add_url_rule(path, handler.__name__, view, methods=[method])
            return handler

        return decorate


def _checked(operation: Operation, handler: Handler) -> Handler:
    """The view: check, call, answer."""
    body_schema = operation.body() if operation.body else None
    query_schema = operation.query() if operation.query else None

    @wraps(handler)
    def view(**path: str) -> Response:
        if operation.permission != PUBLIC:
            access.require(operation.permission)
        arguments: dict[str, Any] = {
            name: inputs.parse_uuid(value) if name.endswith("id") else value
            for name, value in path.items()
        }
        if operation.project:
            arguments["project_id"] = access.active_project()
        if operation.limit:
            limits.take_for_route(operation.limit, operation.path)
        if operation.method == "POST" and not operation.machine:
            body = inputs.load_body(body_schema) if body_schema else _ignored_body()
            if body_schema:
                arguments["body"] = body
        if query_schema:
            arguments["query"] = inputs.load_query(query_schema)
        if operation.idempotent:
            return idempotency.run_once(operation, lambda: _answer(operation, handler, arguments))
        return _answer(operation, handler, arguments)

    view.operation = operation  # type: ignore[attr-defined]
    return view


def _ignored_body() -> dict[str, Any]:
    """A route without a body schema still refuses what is not JSON, so that mistakes show."""
    return inputs.json_body()


def _answer(operation: Operation, handler: Handler, arguments: dict[str, Any]) -> Response:
    result = handler(**arguments)
    if isinstance(result, Response):
        return result
    payload, status = result if isinstance(result, tuple) else (result, operation.status)
    return ok(payload, status)


def operations(app: Flask) -> dict[str, Operation]:
    """All declared operations by endpoint."""
    found = {}
    for endpoint, view in app.view_functions.items():
        operation = getattr(view, "operation", None)
        if operation is not None:
            found[endpoint] = operation
    return found


def verify(app: Flask, exempt: frozenset[str] = frozenset()) -> None:
    """Raise DeclarationError when a route has no declaration or names an unknown permission."""
    declared = operations(app)
    for rule in app.url_map.iter_rules():
        if rule.endpoint in exempt:
            continue
        operation = declared.get(rule.endpoint)
        if operation is None:
            raise DeclarationError(f"{rule.rule} declares no permission: use app.web.routing.Api")
        if operation.permission != PUBLIC and operation.permission not in access.PERMISSIONS:
            raise DeclarationError(f"{rule.rule}: no such permission: {operation.permission}")
