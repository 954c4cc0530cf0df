"""Which versions a model's own file asks for, by what names, and what goes first when they change."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import engine, write

from modelport.core.errors import InvalidInputError, InvalidModelError, NotFoundError
from modelport.core.messages import InferenceRequest
from modelport.core.references import UnknownAliasError
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.policy import Plan, VersionPolicy, parse_policy, parse_replace
from modelport.engine.lifecycle.source import scan

pytestmark = pytest.mark.usefixtures("_fake_format")


class Server:
    """Serves a folder of versions `m/1`, `m/2` …; `seen` is what was in memory at each load."""

    def __init__(self, folder, replace="availability"):
        self.folder, self.engine, self.seen = folder, engine(), []
        self.lifecycle = Lifecycle(self.engine, lambda: scan((folder,)), parse_policy("latest"), replace)
        load = self.lifecycle._loading.load

        async def noted(name, number, artifact):
            self.seen.append((number, self.versions))
            return await load(name, number, artifact)

        self.lifecycle._loading.load = noted

    @property
    def versions(self):
        return sorted(self.engine.model("m").by_number)

    def add(self, *numbers, kind="echo", when=None):
        for number in numbers:
            write(self.folder / f"m/{number}/model.fake", kind, when=when)

    def say(self, text):
        (self.folder / "m").mkdir(exist_ok=True)
        (self.folder / "m/modelport.toml").write_text(f"[serving]\n{text}\n")

    async def start(self):
        await self.lifecycle.start()
        return self

    async def look(self):
        for _ in range(2):
            await self.lifecycle.poll()
        return self.versions


@pytest.fixture
def server(tmp_path):
    made = []

    def make(**options):
        made.append(Server(tmp_path, **options))
        return made[-1]

    yield make
    for item in made:
        item.engine.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("latest:2", [2, 3]), ("all", [1, 2, 3]), ("1,3", [1, 3]), ("", [3])],
)
async def test_a_model_says_which_of_its_versions_are_served(server, text, expected):
    made = server()
    made.add(1, 2, 3)
    made.say(f'versions = "{text}"')
    assert (await made.start()).versions == expected


async def test_a_version_with_a_name_is_served_though_it_is_not_the_latest(server):
    made = server()
    made.add(1, 2, 3)
    made.say("aliases = {production = 1, staging = 3}")
    await made.start()
    assert made.versions == [1, 3]
    find = made.engine.find
    assert [find("m", alias).version for alias in ("production", "staging", None)] == [1, 3, 3]
    with pytest.raises(UnknownAliasError, match=r"'test' is not a version: .* or called production, staging"):
        find("m", "test")
    made.say("aliases = {production = 3}")
    assert await made.look() == [3]
    assert find("m", "production").version == 3


async def test_an_alias_of_a_version_that_is_not_there_is_warned_about(server, caplog):
    made = server()
    made.add(1)
    made.say("aliases = {production = 7}")
    await made.start()
    assert "m has the alias 'production' for version 7, which is not there" in caplog.text
    with pytest.raises(NotFoundError, match="has no version 7; ready are: 1"):
        made.engine.find("m", "production")
    made.add(7)
    assert await made.look() == [7]
    assert made.engine.find("m", "production").version == 7


async def test_a_file_that_means_nothing_leaves_the_plan_as_it_was(server, caplog):
    made = server()
    made.add(1, 2, 3)
    made.say('versions = "latest:2"')
    await made.start()
    made.say('versions = "newest"')
    assert await made.look() == [2, 3]
    assert "'newest' is not a version policy" in caplog.text
    made.say("aliases = {5 = 2}")
    await made.look()
    assert "aliases: '5' can't be told from a version's number" in caplog.text


async def test_what_replaces_a_version_is_loaded_before_that_goes_unless_resources_are_dear(server):
    made = server()
    made.add(1)
    await made.start()
    made.add(2)
    await made.look()
    made.say('replace = "resources"')
    await made.look()
    made.add(3)
    assert await made.look() == [3]
    assert made.seen == [(1, []), (2, [1]), (2, []), (3, [])]


async def test_replacing_by_resources_as_the_setting_of_the_server(server):
    made = server(replace="resources")
    made.add(1)
    await made.start()
    old = made.engine.find("m")
    made.add(1, when=5)
    await made.look()
    assert made.seen == [(1, []), (1, [])]
    assert old.loaded.closed
    made.add(2, kind=None)
    assert await made.look() == [], "what is broken has nothing beside it"
    assert made.engine.model("m").state == "failed"


async def test_the_old_version_answers_on_where_the_new_one_is_broken(server):
    made = server()
    made.add(1)
    await made.start()
    made.add(2, kind=None)
    assert await made.look() == [1]
    asked = InferenceRequest({"x": np.ones((1, 2), np.float32)})
    assert (await made.engine.infer(made.engine.find("m"), asked)).version == 1


def test_what_leaves_first():
    plan = Plan(VersionPolicy(), "resources")
    assert plan.leave_first({1, 2}, {2, 3}, {3}) == {1}
    assert plan.leave_first({1, 2}, {2}, {2}) == {1, 2}
    assert Plan().leave_first({1, 2}, {3}, {3}) == set()
    with pytest.raises(InvalidInputError, match="write availability or resources"):
        parse_replace("never")


def test_the_table_is_read_strictly(tmp_path):
    write(tmp_path / "m/1/model.fake")
    (tmp_path / "m/modelport.toml").write_text('[serving]\nreplace = "sometimes"\n')
    lifecycle = Lifecycle(engine(), dict, parse_policy("latest"))
    with pytest.raises(InvalidModelError, match="replace"):
        lifecycle._plans._read("m", scan((tmp_path,))["m"][1])
