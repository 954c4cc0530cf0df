"""Where models are looked for: files, folders and version trees as other servers lay them out."""

import pytest
from engine_cases import write

from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.engine.lifecycle.policy import VersionPolicy, parse_policy
from modelport.engine.lifecycle.source import scan

pytestmark = pytest.mark.usefixtures("_fake_format")


def shown(*paths, **options):
    """model → version → path below the test's folder."""
    root = paths[0] if paths[0].is_dir() else paths[0].parent
    return {
        model: {number: artifact.path.relative_to(root).as_posix() for number, artifact in versions.items()}
        for model, versions in scan(paths, **options).items()
    }


def test_a_file_and_a_file_by_another_name(tmp_path):
    path = write(tmp_path / "fraud.v2.fake")
    assert shown(path) == {"fraud.v2": {1: "fraud.v2.fake"}}
    assert shown(path, name="other") == {"other": {1: "fraud.v2.fake"}}


def test_a_folder_of_files_and_trees(tmp_path):
    for name in ("a.fake", "b.fake", "tree/1/model.fake", "tree/00000123/model.fake", "tree/3/other.fake"):
        write(tmp_path / name)
    for name in ("README.md", "tree/labels.txt", "notes.txt", "tree/labels/x.fake", "deep/er/4/model.fake"):
        write(tmp_path / name)
    expected = {
        "a": {1: "a.fake"},
        "b": {1: "b.fake"},
        "tree": {1: "tree/1/model.fake", 123: "tree/00000123/model.fake", 3: "tree/3/other.fake"},
    }
    assert shown(tmp_path) == expected
    assert shown(tmp_path / "tree") == {"tree": {1: "1/model.fake", 123: "00000123/model.fake", 3: "3/other.fake"}}


def test_model_dot_suffix_comes_before_other_files_of_a_version(tmp_path):
    for name in ("m/1/aaa.fake", "m/1/model.fake", "m/1/zzz.fake", "m/2/b.fake", "m/2/c.fake"):
        write(tmp_path / name)
    assert shown(tmp_path) == {"m": {1: "m/1/model.fake", 2: "m/2/b.fake"}}


@pytest.mark.parametrize("name", ["0", "-1", "1.5", "v1", "٣", "1_000", "9" * 19, "²"])
def test_folders_whose_names_are_no_versions(tmp_path, name):
    write(tmp_path / "m" / name / "model.fake")
    write(tmp_path / "m/1/model.fake")
    assert shown(tmp_path) == {"m": {1: "m/1/model.fake"}}


def test_version_folders_without_a_model_are_no_versions(tmp_path):
    (tmp_path / "m/1").mkdir(parents=True)
    write(tmp_path / "m/2/notes.txt")
    assert shown(tmp_path) == {}
    write(tmp_path / "m/3/model.fake")
    assert shown(tmp_path) == {"m": {3: "m/3/model.fake"}}


def test_one_version_written_twice_is_told_and_the_plain_number_wins(tmp_path, caplog):
    for name in ("m/1/model.fake", "m/01/model.fake", "m/0001/model.fake"):
        write(tmp_path / name)
    assert shown(tmp_path) == {"m": {1: "m/1/model.fake"}}
    assert caplog.text.count("is version 1, and so is") == 2


@pytest.mark.parametrize(
    "name",
    [".hidden.fake", "_private.fake", "x.fake.part", "x.fake.tmp", "x.fake~", "x.fake.crdownload", ".x.fake.swp"],
)
def test_files_that_are_hidden_or_not_finished(tmp_path, name):
    write(tmp_path / name)
    write(tmp_path / "m/1" / name)
    (tmp_path / ".git/1").mkdir(parents=True)
    write(tmp_path / ".git/1/model.fake")
    assert shown(tmp_path) == {}


def test_two_models_of_one_name_are_both_named(tmp_path):
    write(tmp_path / "a.fake")
    write(tmp_path / "a/1/model.fake")
    with pytest.raises(InvalidInputError, match=r"two models are called 'a': .*a.1.model.fake and .*a.fake; rename"):
        scan((tmp_path,))
    write(tmp_path / "other/b.fake")
    write(tmp_path / "more/b.fake")
    with pytest.raises(InvalidInputError, match="two models are called 'b'"):
        scan((tmp_path / "other", tmp_path / "more"))


def test_names_that_no_path_can_carry_are_passed_over_and_told(tmp_path, caplog):
    write(tmp_path / "what?.fake")
    write(tmp_path / "good.fake")
    assert shown(tmp_path) == {"good": {1: "good.fake"}}
    assert "'what?' can't be a model's name" in caplog.text
    with pytest.raises(InvalidInputError, match="can't be a model's name"):
        scan((tmp_path / "good.fake",), name="a/b")


def test_what_does_not_exist_and_a_name_for_several(tmp_path):
    with pytest.raises(NotFoundError, match="nothing does not exist"):
        scan((tmp_path / "nothing",))
    with pytest.raises(InvalidInputError, match="--name names a single model, but 0 were found: none"):
        scan((tmp_path,), name="x")
    write(tmp_path / "a.fake")
    write(tmp_path / "b.fake")
    with pytest.raises(InvalidInputError, match="2 were found: a, b"):
        scan((tmp_path,), name="x")
    assert shown(tmp_path / "a.fake", tmp_path / "b.fake").keys() == {"a", "b"}


def test_weights_beside_a_model_belong_to_it(tmp_path):
    write(tmp_path / "m/1/model.fake")
    write(tmp_path / "single.fake")

    def marks():
        found = scan((tmp_path,))
        return found["m"][1].fingerprint, found["single"][1].fingerprint

    before = marks()
    assert marks() == before
    write(tmp_path / "m/1/weights.bin")
    after = marks()
    assert after[0] != before[0]
    assert after[1] == before[1]
    write(tmp_path / "single.fake.data")
    assert marks()[1] != before[1]


CHOICES = [
    ("latest", {1, 2, 9}, {9}),
    ("latest:1", {1, 2, 9}, {9}),
    ("latest:2", {1, 2, 9}, {2, 9}),
    ("latest:7", {1, 2}, {1, 2}),
    ("all", {1, 2, 9}, {1, 2, 9}),
    ("1, 9", {1, 2, 9}, {1, 9}),
    ("7", {1, 2, 9}, set()),
    (" latest ", set(), set()),
]


@pytest.mark.parametrize(("text", "available", "chosen"), CHOICES)
def test_policies(text, available, chosen):
    policy = parse_policy(text)
    assert policy.choose(available) == chosen
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize("text", ["", "latest:0", "latest:", "latest:-1", "all:1", "newest", "1;2", "1,,2", "0", "1.5"])
def test_what_is_no_policy(text):
    if text == "latest:":
        assert parse_policy(text) == VersionPolicy()
        return
    with pytest.raises(InvalidInputError, match="is not a version policy: write latest, latest:2, all, or numbers"):
        parse_policy(text)
