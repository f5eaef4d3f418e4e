"""Where the tests' own PostgreSQL comes from, and what is said when it cannot."""

import pytest

from sendonce.local.postgres import LocalPostgres
from support.postgres_source import (
    CHOICE_VARIABLE,
    IMAGE_VARIABLE,
    URL_VARIABLE,
    PostgresSourceError,
    docker_engine,
    postgres_source,
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (CHOICE_VARIABLE, IMAGE_VARIABLE, URL_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def test_a_given_url_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalPostgres(fsync=False) as server:
        monkeypatch.setenv(URL_VARIABLE, server.url())
        with postgres_source() as source:
            assert source.url == server.url()
            assert URL_VARIABLE in source.description
        assert server.running


@pytest.mark.parametrize(("choice", "kind"), [("local", "debian"), ("embedded", "embedded")])
def test_a_server_of_this_machine_can_be_forced(
    monkeypatch: pytest.MonkeyPatch, choice: str, kind: str
) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, choice)
    with postgres_source() as source:
        assert f"({kind}," in source.description
        assert source.server is not None
        assert source.server.running


@pytest.mark.parametrize(
    ("choice", "said"),
    [("url", URL_VARIABLE), ("oracle", "none of url, container, local, embedded")],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, choice: str, said: str) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, choice)
    with pytest.raises(PostgresSourceError, match=said), postgres_source():
        pass


def test_a_forced_container_is_one_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE_VARIABLE, "container")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    assert docker_engine() is None
    with pytest.raises(PostgresSourceError, match="no Docker engine answers"), postgres_source():
        pass
