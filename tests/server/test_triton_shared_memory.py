"""System shared memory with tritonclient, over REST and gRPC; what is refused; and objects that change or vanish."""

from __future__ import annotations

import contextlib
import os
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException, serialize_byte_tensor, serialized_byte_size

from modelport.core.errors import ConflictError, InvalidInputError, ModelportError, NotFoundError
from modelport.server.shared_memory import SharedMemory
from modelport.wire.shared_memory import Place
from runtimes.onnx_graphs import ELEMENTS, identity, values_of

CLIENTS = {"grpc": tritonclient.grpc, "http": tritonclient.http}


@contextlib.contextmanager
def region(client, name, size):
    """An object that is registered, by the client's own tools."""
    key = f"/modelport-test-{os.getpid()}-{name}"
    handle = shm.create_shared_memory_region(name, key, size)
    try:
        client.register_system_shared_memory(name, key, size)
        yield handle
    finally:
        client.unregister_system_shared_memory(name)
        shm.destroy_shared_memory_region(handle)


@pytest.fixture(params=CLIENTS)
def kind(request):
    return CLIENTS[request.param]


@pytest.fixture
def client(server, kind):
    with kind.InferenceServerClient(f"127.0.0.1:{server.port}") as made:
        made.unregister_system_shared_memory()
        made.unregister_cuda_shared_memory()
        yield made


@pytest.mark.parametrize("datatype", ["FP32", "INT8", "FP16", "BOOL"])
def test_inputs_and_outputs_in_shared_memory(client, kind, datatype):
    array = values_of({name: element for element, name in ELEMENTS.items()}[datatype], (3, 4))
    with region(client, "in", 4096) as given, region(client, "out", 4096) as taken:
        shm.set_shared_memory_region(given, [array], offset=64)
        tensor = kind.InferInput("x", [3, 4], datatype)
        tensor.set_shared_memory("in", array.nbytes, offset=64)
        output = kind.InferRequestedOutput("y")
        output.set_shared_memory("out", 1024, offset=128)
        result = client.infer(f"identity_{datatype}", [tensor], outputs=[output])
        described = result.get_output("y")
        assert list(described["shape"] if isinstance(described, dict) else described.shape) == [3, 4]
        got = shm.get_contents_as_numpy(taken, array.dtype, [3, 4], offset=128)
        assert got.tobytes() == array.tobytes()


def test_texts_and_a_mix_of_places(client, kind):
    array = np.array([[b"one", b"two"]], object)
    with region(client, "in", 4096) as given:
        serialized = serialize_byte_tensor(array)
        shm.set_shared_memory_region(given, [serialized])
        tensor = kind.InferInput("x", [1, 2], "BYTES")
        tensor.set_shared_memory("in", serialized_byte_size(serialized))
        assert client.infer("identity_BYTES", [tensor]).as_numpy("y").tolist() == array.tolist()


def test_status(client):
    with region(client, "in", 128):
        assert "modelport-test" in str(client.get_system_shared_memory_status("in"))
        assert "in" in str(client.get_system_shared_memory_status())
        with pytest.raises(InferenceServerException, match=r"'in' is registered already"):
            client.register_system_shared_memory("in", "/x", 1)
    with pytest.raises(InferenceServerException, match=r"no shared-memory region 'in' is registered"):
        client.get_system_shared_memory_status("in")


def test_what_does_not_fit(client, kind):
    with region(client, "in", 128):

        def text(size, offset=0, name="in", output=None):
            tensor = kind.InferInput("x", [1, 4], "FP32")
            tensor.set_shared_memory(name, size, offset=offset)
            with pytest.raises(InferenceServerException) as caught:
                client.infer("identity_FP32", [tensor], outputs=output)
            return caught.value.message()

        assert "has 20 bytes of data, but its shape [1, 4] of FP32 needs 16" in text(20)
        assert "bytes 120 to 136 are not within region 'in', which has 128" in text(16, 120)
        assert "no shared-memory region 'other' is registered; registered are: in" in text(16, name="other")
        output = kind.InferRequestedOutput("y")
        output.set_shared_memory("in", 8)
        assert "output 'y' has 16 bytes, but its place in region 'in' has only 8" in text(16, output=[output])


def test_cuda_is_refused_clearly(client):
    assert not client.get_cuda_shared_memory_status() or not client.get_cuda_shared_memory_status().regions
    with pytest.raises(InferenceServerException, match="does not use CUDA shared memory"):
        client.register_cuda_shared_memory("c", b"aGFuZGxl", 0, 16)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_worker_sees_a_region(run_server, tmp_path, workers):
    (tmp_path / "m.onnx").write_bytes(identity(shape=("n", "m")).SerializeToString())
    server = run_server(tmp_path / "m.onnx", "--workers", str(workers)).wait_ready()
    array = np.arange(4, dtype=np.float32).reshape(1, 4)

    def connected():
        return tritonclient.grpc.InferenceServerClient(
            f"127.0.0.1:{server.port}", channel_args=[("grpc.use_local_subchannel_pool", 1)]
        )

    with connected() as first, region(first, "in", 64) as given:
        shm.set_shared_memory_region(given, [array])
        for _ in range(10):
            with connected() as client:
                tensor = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
                tensor.set_shared_memory("in", 16)
                assert client.infer("m", [tensor]).as_numpy("y").tolist() == array.tolist()
                with pytest.raises(InferenceServerException, match="registered already"):
                    client.register_system_shared_memory("in", "/x", 1)
        first.unregister_system_shared_memory("in")
        for _ in range(10):
            with connected() as client, pytest.raises(InferenceServerException, match="no shared-memory region 'in'"):
                client.infer("m", [tensor])
    assert server.stop() == 0


@pytest.fixture
def memory(tmp_path):
    made = SharedMemory(tmp_path)
    yield made
    made.close()


@pytest.fixture
def made_object():
    made = shared_memory.SharedMemory(create=True, size=4096)
    yield made
    made.close()
    with contextlib.suppress(FileNotFoundError):
        made.unlink()


@pytest.mark.parametrize(
    "key", ["", "/", "..", "/..", ".", "a/b", "/../etc/passwd", "//x", "../tmp/x", "x\0y", "x" * 300, "/no-such-object"]
)
def test_keys_that_are_no_shared_memory(memory, key):
    with pytest.raises(InvalidInputError, match="region 'r'"):
        memory.register("r", key, 0, 1)
    assert memory.regions() == []


def test_links_and_folders_are_not_followed(memory, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 100)
    link = Path("/dev/shm") / f"modelport-test-{os.getpid()}-link"
    link.symlink_to(secret)
    try:
        with pytest.raises(InvalidInputError, match="can't be opened"):
            memory.register("r", link.name, 0, 10)
    finally:
        link.unlink()
    folder = Path("/dev/shm") / f"modelport-test-{os.getpid()}-folder"
    folder.mkdir()
    try:
        with pytest.raises(InvalidInputError):
            memory.register("r", folder.name, 0, 10)
    finally:
        folder.rmdir()


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 4097), (4096, 1), (2**63 - 1, 2**63 - 1), (2**64, 1), (-1, 2), (0, 0)]
)
def test_registering_more_than_there_is(memory, made_object, offset, size):
    with pytest.raises(InvalidInputError):
        memory.register("r", made_object.name, offset, size)


def test_reading_and_writing_within_bounds(memory, made_object):
    memory.register("r", "/" + made_object.name, 1024, 100)
    memory.write(Place("r", 10, 5), b"hello")
    assert bytes(made_object.buf[1034:1039]) == b"hello"
    assert bytes(memory.read(Place("r", 10, 5))) == b"hello"
    for offset, size in [(96, 5), (101, 0), (2**62, 2**62)]:
        with pytest.raises(InvalidInputError, match="not within region"):
            memory.read(Place("r", offset, size))
    with pytest.raises(ConflictError):
        memory.register("r", made_object.name, 0, 1)
    memory.unregister("r")
    with pytest.raises(NotFoundError):
        memory.read(Place("r", 0, 1))
    assert not memory._open


def test_an_object_that_shrinks_gives_an_error_and_not_a_crash(memory, made_object):
    memory.register("r", made_object.name, 0, 4096)
    os.truncate(f"/dev/shm/{made_object.name}", 100)
    with pytest.raises(InvalidInputError, match="has become smaller"):
        memory.read(Place("r", 0, 4096))
    with pytest.raises(InvalidInputError, match="has become smaller"):
        memory.write(Place("r", 200, 10), b"0123456789")
    assert os.stat(f"/dev/shm/{made_object.name}").st_size == 100


def test_another_worker_opens_the_same_object_or_none(memory, made_object, tmp_path):
    memory.register("r", made_object.name, 0, 100)
    other = SharedMemory(tmp_path)
    made_object.buf[:5] = b"hello"
    assert bytes(other.read(Place("r", 0, 5))) == b"hello"
    late = SharedMemory(tmp_path)
    path = Path("/dev/shm") / made_object.name
    path.unlink()
    path.write_bytes(b"x" * 100)
    with pytest.raises(InvalidInputError, match="not the object any more"):
        late.read(Place("r", 0, 5))
    path.unlink()
    with pytest.raises(ModelportError, match="can't be opened"):
        late.read(Place("r", 0, 5))
    assert bytes(memory.read(Place("r", 0, 5))) == b"hello"  # who had it open keeps it
    other.unregister(None)
    with pytest.raises(NotFoundError):
        memory.read(Place("r", 0, 5))
    memory.unregister(None)
    assert not memory._open
    other.close()
