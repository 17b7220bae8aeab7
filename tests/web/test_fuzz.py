"""The OpenAPI document, fuzzed: no input that follows or breaks it makes a server error, and every
answer is one that the document describes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from app.db import db
from tests.conftest import Browser

# Streams never end, and signing out would end the walk.
LEFT_OUT = ["/events/stream", "/auth/logout", "/metrics"]
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_every_operation_answers_as_documented(
    make_app: Callable[..., Flask], mode: GenerationMode
) -> None:
    app = make_app(rate_limit_enabled=False, job_wait_seconds=0.0)
    browser = Browser(app)
    browser.sign_in()
    browser.post("/projects", {"name": "Fuzzed"})
    cookie = browser.http.get_cookie("lp_session")
    assert cookie is not None
    token = cookie.value
    document = schemathesis.openapi.from_wsgi("/openapi.json", app).exclude(path=LEFT_OUT)
    for found in document.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def walk(case: schemathesis.Case) -> None:
            response = case.call(
                headers={"x-csrf-token": browser.csrf or ""}, cookies={"lp_session": token}
            )
            case.validate_response(response, checks=CHECKS)

        # Where an operation takes nothing, there is nothing to get wrong.
        with contextlib.suppress(Unsatisfiable):
            walk()
    db.close()
