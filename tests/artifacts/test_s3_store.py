"""The store on S3, against a real server of its API."""

import itertools
import socket
import subprocess
import sys
import time

import pytest

from modelport.artifacts.opening import open_store as open_any
from modelport.artifacts.s3 import S3Store
from modelport.core.errors import InvalidInputError, NotFoundError, UnavailableError
from modelport.testing.artifact_store_contract import ArtifactStoreContract

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")

#: What S3 calls the smallest part.
SMALLEST = 5 << 20
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def on_s3(endpoint, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{next(_NUMBERS)}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return bucket


class TestS3Store(ArtifactStoreContract):
    part_size = SMALLEST

    @pytest.fixture
    def open_store(self, on_s3):
        self.bucket = on_s3
        return lambda: S3Store(f"s3://{on_s3}/models", self.part_size)

    def damage(self, digest):
        s3 = boto3.client("s3")
        key = f"models/blobs/{digest[:2]}/{digest}"
        content = bytearray(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        content[-1] ^= 1
        s3.put_object(Bucket=self.bucket, Key=key, Body=bytes(content))

    def test_what_came_whole_but_was_not_finished_is_not_sent_again(self, store, tmp_path, monkeypatch):
        content = self.content(1.5)
        monkeypatch.setattr(store._s3, "copy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            self.send(store, content, tmp_path)
        again = S3Store(f"s3://{self.bucket}/models", self.part_size)
        monkeypatch.setattr(again, "put_part", None)
        digest = self.send(again, content, tmp_path)
        assert b"".join(again.read(digest)) == content
        assert [item["Key"] for item in again._objects("")] == [f"models/blobs/{digest[:2]}/{digest}"]


def test_a_url_opens_it(on_s3):
    store = open_any(f"s3://{on_s3}")
    assert isinstance(store, S3Store)
    assert list(store.stored()) == []


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "gs://bucket"])
def test_other_urls_are_refused(url):
    with pytest.raises(InvalidInputError, match=url):
        open_any(url)


def test_a_bucket_or_a_server_that_is_not_there_is_said(on_s3, monkeypatch):
    with pytest.raises((UnavailableError, NotFoundError), match="bucket"):
        list(open_any("s3://no-such-bucket").stored())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(UnavailableError, match=on_s3):
            open_any(f"s3://{on_s3}").size("0" * 64)
