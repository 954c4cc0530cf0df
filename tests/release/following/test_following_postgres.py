"""Servers on a registry in PostgreSQL, which is stopped and comes back."""

from __future__ import annotations

import shutil

import pytest
from following_cases import ANN, Asked, all_answer, push, until

from modelport.registry.opening import RegistrySettings


@pytest.fixture
def place(own_postgres, tmp_path):
    """How servers and the test open the registry: a database, artifacts in a folder, a cache."""
    return {
        "MODELPORT_HOME": str(tmp_path / "home"),
        "MODELPORT_REGISTRY": own_postgres.database(),
        "MODELPORT_ARTIFACTS": str(tmp_path / "artifacts"),
    }


def test_servers_go_on_and_start_anew_while_postgresql_is_stopped(
    own_postgres, place, open_settings, run_server, tmp_path
):
    settings = RegistrySettings(place["MODELPORT_HOME"], place["MODELPORT_REGISTRY"], place["MODELPORT_ARTIFACTS"])
    registry = open_settings(settings)
    push(registry, tmp_path, 3)
    registry.promote("times", 1, ANN)
    servers = [Asked(run_server(*options, env=place).wait_ready()) for options in ((), ("--workers", "2"))]
    registry.promote("times", 2, ANN)
    until(lambda: all_answer(servers, 2))
    until(lambda: len(list((tmp_path / "home/cache").glob("desired-*.json"))) == 1)

    own_postgres.halt()
    until(lambda: all(server.document()["following"]["error"] for server in servers))
    assert all_answer(servers, 2)
    assert servers[0].server.stop() == 0
    shutil.move(tmp_path / "artifacts", tmp_path / "aside")  # nothing but the cache is asked
    servers[0] = Asked(run_server(env=place).wait_ready())
    assert all_answer(servers, 2)
    assert servers[0].document()["following"]["from_cache"] is True

    own_postgres.start()
    shutil.rmtree(tmp_path / "artifacts", ignore_errors=True)
    shutil.move(tmp_path / "aside", tmp_path / "artifacts")
    registry.promote("times", 3, ANN)
    until(lambda: all_answer(servers, 3))
    assert registry.rollback("times", ANN) == 2
    until(lambda: all_answer(servers, 2))
    assert not any(server.document()["following"]["from_cache"] for server in servers)
