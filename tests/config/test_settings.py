"""Settings: typed, bounded, every mistake at once, documented."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, documentation, load

ROOT = Path(__file__).parents[2]


def test_everything_has_a_default() -> None:
    settings = load({})
    assert settings.port == 8080 and settings.session_cookie_name == "lp_session"


def test_values_are_typed() -> None:
    settings = load(
        {
            "PORT": "9000",
            "RATE_LIMIT_ENABLED": "Off",
            "CORS_ORIGIN": "https://a.example, https://b.example",
            "LIGHTPOST_HOME": "/srv/lightpost",
            "SEARCH_MIN_RELEVANCE": "0.5",
            "LOG_LEVEL": "",
        }
    )
    assert settings.port == 9000 and settings.rate_limit_enabled is False
    assert settings.cors_origin == ("https://a.example", "https://b.example")
    assert settings.lightpost_home == Path("/srv/lightpost")
    assert settings.search_min_relevance == 0.5
    assert settings.log_level == "info"  # blank means the default


def test_every_mistake_is_named_at_once() -> None:
    wrong = {
        "PORT": "many",
        "RATE_LIMIT_ENABLED": "perhaps",
        "SESSION_IDLE_DAYS": "0",
        "LOG_LEVEL": "loud",
        "AUTH_CREDENTIALS": "nopassword",
        "SECRET_KEY": "short",
        "HUEY_URL": "amqp://x",
    }
    with pytest.raises(SettingsError) as raised:
        load(wrong)
    for name in wrong:
        assert name in str(raised.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"EMBEDDING_DIM": "4096"}, "EMBEDDING_DIM"),  # more than the vector index takes
        ({"EMBEDDING_PROVIDER": "openai"}, "OPENAI_API_KEY"),
        ({"CHUNK_SIZE": "300", "CHUNK_OVERLAP": "200"}, "CHUNK_OVERLAP"),
    ],
)
def test_an_encoder_that_cannot_work_stops_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(given)


def test_production_refuses_weak_secrets() -> None:
    with pytest.raises(SettingsError) as raised:
        load({"APP_ENV": "production", "AUTH_CREDENTIALS": "admin:admin"})
    for name in ("SECRET_KEY", "DATABASE_URL", "AUTH_CREDENTIALS"):
        assert name in str(raised.value)


def test_the_document_is_what_the_code_says() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == documentation(), "run `make schema`"


def test_every_setting_is_explained_and_every_number_bounded() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"], field.name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert field.metadata["low"] is not None and field.metadata["high"] is not None, (
                field.name
            )


def test_nothing_else_reads_the_environment() -> None:
    """Settings come from one place. (The supervisor and the metrics folder write it for children.)"""
    allowed = {
        "config/settings.py",
        "config/metrics_folder.py",
        "app/cli/run.py",
        "app/system/service.py",
    }
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("app", "jobs", "config")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }
    assert readers <= allowed | {"config/gunicorn.py"}
