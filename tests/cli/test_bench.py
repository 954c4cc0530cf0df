import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from cli.slow_server import KnownServer, sleeping
from modelport.cli.bench import bench
from modelport.cli.bench_plot import Chart, bars_svg, chart_svg
from modelport.cli.bench_text import Row, figures_text, milliseconds
from modelport.client.load import DIALECTS, Outcome

QUICK = ["--seconds", "0.3", "--warmup", "0", "--connections", "2"]


def run(*args):
    return CliRunner().invoke(bench, [str(item) for item in args])


def measured(tmp_path, *args):
    file = tmp_path / "figures.json"
    result = run(*args, "--json", file)
    assert result.exit_code == 0, result.output
    return result.output, json.loads(file.read_text())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", ["iris", "diabetes", "text"])
def test_every_dialect_on_a_real_server(server, tmp_path, dialect, model):
    output, said = measured(tmp_path, server.url, "--model", model, "--dialect", dialect, "--check", *QUICK)
    [figures] = said["measured"]
    assert figures["errors"] == {}
    assert figures["done"] > 0
    assert figures["throughput"] == pytest.approx(figures["done"] / 0.3, rel=0.01)
    times = figures["latency_ms"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p99.9"] <= times["max"]
    assert sum(count for _, count in figures["histogram"]["buckets"]) == figures["histogram"]["count"]
    assert (said["model"], said["dialect"]) == (model, dialect)
    assert "requests/s" in output


@pytest.mark.parametrize("dialect", ["json", "binary", "grpc", "plain"])
def test_random_inputs_and_several_rows(server, tmp_path, dialect):
    options = ["--dialect", dialect, "--seed", 3, "--rows", 5, "--check", "--streams", 2]
    for model in ("iris", "text"):
        _, said = measured(tmp_path, f"{server.url}/models/{model}", *options, *QUICK)
        assert said["measured"][0]["errors"] == {}
        assert said["streams"] == (2 if dialect == "grpc" else 1)


@pytest.mark.parametrize("dialect", ["json", "binary", "grpc"])
def test_inputs_from_a_file_larger_than_any_window(server, tmp_path, dialect):
    data = tmp_path / "x.npz"
    np.savez(data, x=np.random.default_rng(0).random((3, 100_000), dtype=np.float32))
    args = [f"{server.url}/v2/models/identity_FP32", "--dialect", dialect, "--data", data, "--check"]
    _, said = measured(tmp_path, *args, *QUICK)
    [figures] = said["measured"]
    assert figures["errors"] == {}
    assert figures["bytes_sent"] == figures["done"] * 1_200_000
    assert figures["bytes_received"] >= figures["bytes_sent"]


@pytest.mark.parametrize("dialect", ["json", "grpc"])
def test_headers_go_with_every_request(server, tmp_path, dialect):
    args = [server.url, "--model", "iris", "--dialect", dialect, "--header", "X-Request-Timeout: nonsense"]
    result = run(*args, "--header", "grpc-timeout: 1n", *QUICK)
    # either header makes the requests of its dialect fail, so it came through
    assert result.exit_code == 1
    assert {"json": "x-request-timeout", "grpc": "gRPC 4 deadline_exceeded"}[dialect] in result.output


def test_a_file_is_served_swept_and_drawn(model_folder, tmp_path):
    plot = tmp_path / "rate.svg"
    args = [model_folder / "iris.onnx", "--sweep", "1,3", "--workers", 1, "--plot", plot, "--processes", 2]
    output, said = measured(tmp_path, *args, *QUICK)
    assert [item["label"] for item in said["measured"]] == ["1", "3"]
    assert [len(item["load_processor"]) for item in said["measured"]] == [1, 2]
    assert output.count("requests/s") == 1
    assert len(ElementTree.fromstring(plot.read_text()).findall(".//{*}circle")) == 4


def test_rates_are_an_open_loop(server, tmp_path):
    args = [server.url, "--model", "iris", "--rates", "40,80", "--arrivals", "constant", *QUICK]
    _, said = measured(tmp_path, *args)
    assert [(item["label"], item["rate"]) for item in said["measured"]] == [("40", 40.0), ("80", 80.0)]
    assert [item["histogram"]["count"] for item in said["measured"]] == [
        pytest.approx(12, abs=1),
        pytest.approx(24, abs=1),
    ]


def test_the_highest_rate_for_a_target(tmp_path):
    known = KnownServer(sleeping(0.02))
    try:
        args = [known.url, "--target-p99", "30s", "--connections", "2", "--seconds", "0.2", "--warmup", "0"]
        output, said = measured(tmp_path, *args)
    finally:
        known.close()
    assert "Highest rate that keeps it" in output
    assert len(said["measured"]) >= 3
    assert max(item["throughput"] for item in said["measured"]) <= 110


def test_a_file_that_is_no_model_shows_what_the_server_said(tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\x08\x07 not a model")
    result = run(bad, *QUICK)
    assert result.exit_code == 1
    assert "bad" in result.output


def test_nothing_but_errors_is_a_failure():
    known = KnownServer(lambda number: (500, {"error": "it broke"}))
    try:
        result = run(known.url, *QUICK)
    finally:
        known.close()
    assert result.exit_code == 1
    assert "500 internal: it broke" in result.output
    assert "not one request was answered rightly" in result.output


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["nowhere"], 2, "neither a file that exists nor a URL"),
        (["URL"], 2, "name one with --model"),
        (["URL", "--model", "other"], 1, "other"),
        (["URL", "--rate", "5", "--sweep", "1"], 2, "exclude each other"),
        (["URL", "--sweep", "1,x"], 2, "not a list of positive numbers"),
        (["URL", "--target-p99", "soon"], 2, "is not a time such as 10ms"),
        (["URL", "--model", "iris", "--header", "nothing"], 2, "--header is NAME:VALUE"),
        (["URL", "--workers", "2"], 2, "--workers is for a FILE"),
        (["URL", "--model", "iris", "--data", "missing.json"], 2, "'missing.json' is not a file"),
    ],
)
def test_wrong_command_lines(server, args, code, says):
    from modelport.cli.main import main

    result = CliRunner().invoke(main, ["bench", *(item.replace("URL", server.url) for item in args)])
    assert result.exit_code == code
    assert says in result.output


def outcome(**changes):
    made = Outcome(seconds=2.0, done=1000, **changes)
    made.latencies.add([0.01] * 1000)
    return made


def test_the_table_says_what_failed_and_what_is_not_to_be_believed():
    troubled = outcome(processor=[0.99], samples={"timeout": "no whole answer came in time"})
    troubled.errors["timeout"] = 3
    head, line, failure, limit = figures_text("connections", [Row("8", troubled)], first=True).splitlines()
    assert head.split()[:2] == ["connections", "requests/s"]
    assert line.split()[:4] == ["8", "500", "10.0", "10.0"]
    assert failure.strip() == "3 × timeout: no whole answer came in time"
    assert limit.strip().startswith("Not to be believed: the load itself used 99% of a core")
    assert figures_text("rate", [Row("8", outcome())], first=False).count("\n") == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(math.nan, "–"), (0.0001234, "0.123"), (0.00567, "5.67"), (0.0567, "56.7"), (1.5, "1,500")]
)
def test_milliseconds_have_three_digits(seconds, text):
    assert milliseconds(seconds) == text


def test_pictures_are_svg_whatever_the_names():
    chart = chart_svg(Chart("a < b & c", "rate", "ms", {"p50": [(10, 0.5), (1000, 2)], "p99": [(10, 5), (1000, 90)]}))
    root = ElementTree.fromstring(chart)
    assert "a < b & c" in [item.text for item in root.findall("{*}text")]
    assert {"0.1", "1", "10", "100"} <= {item.text for item in root.findall("{*}text")}
    points = [item.get("points").split() for item in root.findall("{*}polyline")]
    assert [len(line) for line in points] == [2, 2]
    # what is slower stands higher
    assert float(points[1][1].split(",")[1]) < float(points[0][1].split(",")[1])
    assert "prefers-color-scheme:dark" in chart
    ElementTree.fromstring(chart_svg(Chart("nothing", "rate", "ms", {"p50": []})))

    bars = ElementTree.fromstring(bars_svg("rate", [("one", 10.0), ("two", 5.0), ("three", None)], "per second"))
    widths = [float(item.get("width")) for item in bars.findall("{*}rect")]
    assert widths[0] == 2 * widths[1] > 0 == widths[2]
