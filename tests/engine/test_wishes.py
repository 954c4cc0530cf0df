"""What a registry wants of models is switched to at once where it is loaded, and loaded beside what answers else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_cases import engine, write

from modelport.core.errors import InvalidModelError, NotFoundError, OutOfResourcesError, UnavailableError
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.policy import VersionPolicy
from modelport.engine.lifecycle.source import scan
from modelport.engine.lifecycle.wishes import Wish

pytestmark = pytest.mark.usefixtures("_fake_format")


def wish(preferred=0, warm=(), problems=None, **aliases):
    """What is wanted of a model: the versions that have names, and those that wait."""
    names = aliases | ({"production": preferred} if preferred else {})
    return Wish(
        names, frozenset({*names.values(), *warm, *(problems or {})}), preferred, frozenset(warm), problems or {}
    )


class Followed:
    """An engine that serves what is wished of the versions in a folder."""

    def __init__(self, folder: Path, available=None) -> None:
        self.folder, self.engine = folder, engine()
        self.wishes: dict[str, Wish] = {}
        admission = None if available is None else Admission(available=available)
        self.lifecycle = Lifecycle(self.engine, self.found, VersionPolicy(), admission=admission)
        self.held: asyncio.Event | None = None
        load = self.lifecycle._loading.load

        async def slowly(name, number, artifact):
            if self.held is not None:
                await self.held.wait()
            return await load(name, number, artifact)

        self.lifecycle._loading.load = slowly

    def found(self):
        there = scan((self.folder,))
        return {
            name: {number: item for number, item in there.get(name, {}).items() if number in wanted.versions}
            for name, wanted in self.wishes.items()
        }

    async def want(self, **wishes: Wish) -> Followed:
        self.direct(**wishes)
        await self.lifecycle.converge()
        return self

    def direct(self, **wishes: Wish) -> None:
        self.wishes = wishes
        self.lifecycle.direct(wishes)

    @property
    def versions(self):
        return sorted(self.engine.model("m").by_number)

    @property
    def answers(self):
        return self.engine.find("m").version


@pytest.fixture
def followed(tmp_path):
    made = []

    async def start(*numbers, available=None, **wishes):
        for number in numbers:
            write(tmp_path / f"m/{number}/model.fake")
        made.append(Followed(tmp_path, available))
        made[0].direct(**wishes)
        await made[0].lifecycle.start()
        return made[0]

    yield start
    for item in made:
        item.engine.close()


async def test_what_production_names_answers_and_not_the_newest(followed):
    server = await followed(1, 2, 3, m=wish(2, staging=3))
    assert (server.versions, server.answers) == ([2, 3], 2)
    assert server.engine.find("m", "staging").version == 3
    assert server.engine.find("m", "production").version == 2
    with pytest.raises(NotFoundError, match="no version 1; ready are: 2, 3"):
        server.engine.find("m", 1)


async def test_without_production_only_a_version_or_a_name_answers(followed):
    server = await followed(1, 2, m=wish(staging=2))
    assert server.engine.ready
    assert server.engine.model("m").state == "ready"
    assert server.engine.find("m", "staging").version == server.engine.find("m", 2).version == 2
    with pytest.raises(NotFoundError, match=r"nothing is in production of 'm': promote a version.*ready are: 2"):
        server.engine.find("m")
    await server.want(m=wish(2))
    assert server.answers == 2


async def test_promoted_and_back_the_switch_waits_for_nothing_that_is_loaded(followed):
    server = await followed(1, 2, m=wish(1))
    await server.want(m=wish(2, warm=[1]))
    old, new = server.engine.find("m", 1), server.engine.find("m")
    assert (server.versions, new.version) == ([1, 2], 2)
    server.direct(m=wish(1))
    assert server.engine.find("m") is old
    await server.lifecycle.converge()
    assert (server.versions, new.loaded.closed, old.loaded.closed) == ([1], True, False)


async def test_what_answers_goes_on_until_the_new_version_is_ready_under_every_name(followed):
    server = await followed(1, 2, m=wish(1, staging=1))
    server.held = asyncio.Event()
    server.direct(m=wish(2, staging=2))
    loading = asyncio.create_task(server.lifecycle.converge())
    await asyncio.sleep(0.05)
    assert [server.engine.find("m", name).version for name in (None, "production", "staging")] == [1, 1, 1]
    server.held.set()
    await loading
    assert [server.engine.find("m", name).version for name in (None, "production", "staging")] == [2, 2, 2]
    assert server.versions == [2]


async def test_a_change_of_mind_while_a_version_loads_keeps_what_is_wanted_then(followed):
    server = await followed(1, 2, 3, m=wish(1))
    server.held = asyncio.Event()
    server.direct(m=wish(2))
    loading = asyncio.create_task(server.lifecycle.converge())
    await asyncio.sleep(0.05)
    server.direct(m=wish(1))
    server.held.set()
    await loading
    assert server.answers == 1
    await server.lifecycle.converge()
    assert (server.versions, server.answers) == ([1], 1)


async def test_another_model_is_switched_while_one_loads(followed, tmp_path):
    write(tmp_path / "n/1/model.fake")
    write(tmp_path / "n/2/model.fake")
    server = await followed(1, 2, m=wish(1), n=wish(2, warm=[1]))
    await server.want(m=wish(1), n=wish(2, warm=[1]))
    server.held = asyncio.Event()
    server.direct(m=wish(2), n=wish(2, warm=[1]))
    loading = asyncio.create_task(server.lifecycle.converge())
    await asyncio.sleep(0.05)
    server.direct(m=wish(2), n=wish(1))
    assert (server.engine.find("n").version, server.answers) == (1, 1)
    server.held.set()
    await loading
    assert (server.engine.find("n").version, server.answers) == (1, 2)


async def test_a_version_that_fails_leaves_production_as_it_was_and_is_tried_when_it_is_named_anew(followed, tmp_path):
    server = await followed(1, m=wish(1))
    write(tmp_path / "m/2/model.fake", kind=None)
    await server.want(m=wish(2))
    model = server.engine.model("m")
    assert (server.versions, server.answers, model.state, server.engine.ready) == ([1], 1, "ready", True)
    assert "describes no fake model" in model.error
    assert "describes no fake model" in server.lifecycle.missing("m")[2]
    await server.want(m=wish(1))
    assert (model.error, server.lifecycle.missing("m")) == (None, {})
    write(tmp_path / "m/2/model.fake")
    await server.want(m=wish(2))
    assert (server.versions, server.answers, model.error) == ([2], 2, None)


async def test_a_failure_is_tried_again_when_production_names_the_version_once_more(followed, tmp_path):
    write(tmp_path / "m/2/model.fake", kind=None, when=1000)
    server = await followed(1, m=wish(1, staging=2))
    write(tmp_path / "m/2/model.fake")
    server.lifecycle._tried["m", 2] = scan((tmp_path,))["m"][2].fingerprint  # the files are as they were tried
    await server.want(m=wish(1, staging=2))
    assert server.versions == [1]
    await server.want(m=wish(2, staging=2))
    assert (server.versions, server.answers) == ([2], 2)


async def test_what_is_not_here_is_told_and_what_answers_stays(followed):
    server = await followed(1, m=wish(1))
    gone = NotFoundError("sha256:1234 is not in the artifact store")
    await server.want(m=wish(2, problems={2: gone}))
    assert (server.versions, server.answers) == ([1], 1)
    assert server.engine.model("m").error == str(gone)
    assert server.lifecycle.missing("m") == {2: str(gone)}


async def test_a_model_of_which_nothing_is_here_is_loading_or_failed(followed):
    server = await followed(m=wish(1))
    with pytest.raises(UnavailableError, match="'m' is loading"):
        server.engine.find("m")
    await server.want(m=wish(1, problems={1: InvalidModelError("damaged")}))
    with pytest.raises(UnavailableError, match="'m' failed to load: damaged"):
        server.engine.find("m")
    assert not server.engine.ready


async def test_a_name_whose_version_never_was_ready_is_unavailable_and_not_unknown(followed):
    server = await followed(1, m=wish(1))
    await server.want(m=wish(1, staging=7))
    with pytest.raises(UnavailableError, match="version 7 of 'm' is not ready yet; ready are: 1"):
        server.engine.find("m", "staging")


async def test_a_model_that_is_added_later_takes_nothing_from_the_servers_readiness(followed, tmp_path):
    server = await followed(1, m=wish(1))
    write(tmp_path / "n/1/model.fake", kind=None)
    await server.want(m=wish(1), n=wish(1))
    assert server.engine.model("n").state == "failed"
    assert server.engine.ready


async def test_a_model_that_is_wanted_no_more_goes(followed):
    server = await followed(1, m=wish(1))
    version = server.engine.find("m")
    await server.want()
    assert not server.engine.has("m")
    assert version.loaded.closed


async def test_its_own_file_says_what_goes_first_and_not_which_versions(followed, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/modelport.toml").write_text(
        '[serving]\nversions = "latest:3"\nreplace = "resources"\naliases = {production = 1, old = 1}\n'
    )
    server = await followed(1, 2, 3, m=wish(1))
    assert (server.versions, dict(server.engine.model("m").aliases)) == ([1], {"production": 1})
    await server.want(m=wish(2, warm=[1]))
    assert (server.versions, server.answers) == ([2], 2)  # never two of them in memory


async def test_what_waits_for_a_rollback_makes_room(followed, tmp_path):
    write(tmp_path / "m/3/model.fake")
    (tmp_path / "m/3/weights.bin").write_bytes(b"\0" * (20 << 20))
    room = 10 << 20
    server = await followed(1, 2, available=lambda: room, m=wish(2, warm=[1]))
    assert server.versions == [1, 2]
    await server.want(m=wish(2, warm=[1], staging=3))
    assert server.versions == [2]
    assert server.lifecycle.short_of_memory
    assert isinstance(server.engine.model("m").failure, OutOfResourcesError)
    room = 100 << 20
    await server.lifecycle.converge()
    assert server.lifecycle.short_of_memory  # it is not tried each time
    await server.lifecycle.converge(again=True)
    assert not server.lifecycle.short_of_memory
    assert server.engine.find("m", "staging").version == 3


async def test_a_version_that_waits_and_fails_is_no_failure_of_the_model(followed, tmp_path):
    write(tmp_path / "m/1/model.fake", kind=None)
    server = await followed(2, m=wish(2, warm=[1]))
    assert (server.versions, server.engine.model("m").error) == ([2], None)
