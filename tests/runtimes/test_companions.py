"""The files that belong to a model's file."""

from modelport.runtimes.companions import companions


def test_weights_and_code(tmp_path):
    for name in ("a.xml", "a.bin", "b.pt", "b.py", "c.safetensors", "model.py", "net.py", "d.onnx"):
        (tmp_path / name).touch()
    files = {name: companions(tmp_path / name) for name in ("a.xml", "b.pt", "c.safetensors", "d.onnx")}
    assert files == {
        "a.xml": (tmp_path / "a.bin",),
        "b.pt": (tmp_path / "b.py",),
        "c.safetensors": (tmp_path / "model.py",),
        "d.onnx": (),
    }
    assert companions(tmp_path / "b.pt", {"module": "net"}) == (tmp_path / "net.py",)
    assert companions(tmp_path) == ()


def test_weights_that_are_not_there(tmp_path):
    (tmp_path / "a.xml").touch()
    assert companions(tmp_path / "a.xml") == companions(tmp_path / "b.pt") == ()
