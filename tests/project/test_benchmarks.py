"""The benchmarks run small: that what they print was measured, and that the README prints what is in the results."""

import gzip
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import hpfunc as hp
from benchmarks import (
    cases,
    gpu,
    gpu_checks,
    growth,
    measure,
    on_disk,
    pairwise,
    peers,
    points,
    report,
    scaling,
    store,
    sweep,
    tables,
)  # fmt: skip
from hpfunc._tree import device
from tests.cuda_host import needs_compiler
from tests.cuda_host.stand_in import stand_in
from tests.oracles import extreme_cross_edges

HERE = Path(__file__).parents[1]


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as stream:
        stream.write(header + array.tobytes())


@pytest.fixture
def mnist(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images = random.integers(0, 256, (250, 28, 28), dtype=np.uint8)
    labels = np.arange(250, dtype=np.uint8) % 10
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images)
    write_idx(folder / "t10k-labels-idx1-ubyte", labels)
    return tmp_path, images, labels


# ---- the points


def test_mnist_is_read_from_a_folder_or_two_files(mnist):
    folder, images, labels = mnist
    raw = folder / "MNIST" / "raw"
    for places in ([folder], [raw], [raw / "t10k-images-idx3-ubyte.gz", raw / "t10k-labels-idx1-ubyte"]):
        pixels, found = points.read_mnist(places)
        np.testing.assert_array_equal(np.rint(pixels[:, 0] * 255), images)
        np.testing.assert_array_equal(found, labels)
        assert pixels.dtype == np.float32
    with pytest.raises(SystemExit, match="No t10k-images"):
        points.read_mnist([folder / "MNIST" / "nowhere"])
    (folder / "other").write_bytes(b"\0\0\x0d\1")
    with pytest.raises(SystemExit, match="idx format"):
        points.read_idx(folder / "other")


def test_points_stand_class_by_class_in_the_order_of_the_files(mnist):
    folder, images, labels = mnist
    x, origin = points_of("mnist", (folder,))
    assert origin == "MNIST test images"
    expected = np.concatenate([images[labels == k][:20] for k in range(3)]).reshape(60, 784)
    np.testing.assert_array_equal(np.rint(x * 255), expected)
    with pytest.raises(SystemExit, match="25 samples only; 26"):
        points.first_of_each_class(labels, 10, 26)


def points_of(name, mnist=(), checkpoint=None):
    case = next(case for case in cases.CASES["tiny"] if case.name == name)
    return cases.points_of(case, cases.Sources(mnist, checkpoint))


@pytest.mark.parametrize("case", cases.CASES["tiny"], ids=lambda case: case.name)
def test_synthetic_points_are_float32_of_the_stated_size_and_the_same_each_time(case):
    x, origin = cases.points_of(case, cases.Sources())
    again, _ = cases.points_of(case, cases.Sources())
    assert origin == "synthetic"
    assert x.dtype == np.float32
    assert x.shape == (case.n_classes * case.n_samples, case.n_features)
    np.testing.assert_array_equal(x, again)
    if case.name == "softmax":
        np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-6)


def test_the_wide_layer_has_few_directions_and_no_value_below_zero():
    x = points.low_rank(2, 100, 300, rank=5)
    assert x.min() == 0
    # Cutting off adds directions, but not many: noise of full rank would hold 9 % in the first five.
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    assert values[:5].sum() / values.sum() > 0.7


def test_layers_of_the_network_are_those_of_the_model(mnist):
    torch = pytest.importorskip("torch")
    from benchmarks import network

    images = points.read_mnist([mnist[0]])[0][:6]
    found = network.layer_points(None, images, np.arange(6), ["conv1", "softmax"])
    model = network.Network()
    model.load_state_dict(network.untrained(28))
    with torch.no_grad():
        expected = model(torch.tensor(images))
        wide = model.conv1(torch.tensor(images)).reshape(6, -1)
    assert wide.shape == (6, 32768)
    np.testing.assert_allclose(found["softmax"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["conv1"], wide, rtol=1e-4, atol=1e-6)


@pytest.mark.extra
def test_a_checkpoint_gives_its_own_rows(further_data):
    mnist, checkpoint = further_data / "data" / "mnist", further_data / "seed" / "conv6.ckpt"
    sources = cases.Sources((mnist,), checkpoint)
    names = [case.name for case in cases.chosen_cases("tiny", ["fc2", "mnist"], sources)]
    assert names == ["fc2 conv6", "mnist"]
    x, origin = points_of("softmax", (mnist,), checkpoint)
    assert "conv6.ckpt" in origin
    # A trained network knows its digits.
    assert (x.argmax(axis=1) == points.labels_of(10, 8)).mean() > 0.9
    # Shuffled labels belong to the same points in another order.
    case = next(case for case in cases.CASES["tiny"] if case.name == "conv2-shuffled")
    case = case._replace(n_samples=2)
    (plain, _), (shuffled, _) = (cases.points_of(case._replace(name=name), sources) for name in ("conv2", case.name))
    assert plain.shape == (6, 16384)
    assert not np.array_equal(plain, shuffled)
    np.testing.assert_array_equal(np.sort(plain[:, 0]), np.sort(shuffled[:, 0]))


# ---- the measuring


def test_works_take_turns():
    seen = []
    seconds = measure.interleaved({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, 3)
    # What is short is timed the second time.
    assert seen == ["a", "a", "b", "b"] * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert all(time > 0 for times in seconds.values() for time in times)


def test_the_product_in_strips_is_the_whole_product(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("f4")
    np.testing.assert_array_equal(measure.product(x)(), x @ x.copy().T)
    strips = []
    monkeypatch.setattr(measure, "_MOST_ENTRIES", 2000)
    multiply = np.matmul

    def spy(rows, others, out):
        multiply(rows, others, out=out)
        strips.append(out.copy())

    monkeypatch.setattr(np, "matmul", spy)
    measure.product(x)()
    assert len(strips) == 25
    np.testing.assert_allclose(np.concatenate(strips), x @ x.copy().T, rtol=1e-6)


PEAKS = """
import numpy as np
from benchmarks import measure

# The larger piece of work comes first: its peak must not stay.
for n_bytes in (1, 300_000_000, 100_000_000):
    print(n_bytes, *(measure.peak_memory(lambda: np.ones(n_bytes, np.uint8).sum()) or ()))
"""


def test_the_peak_is_that_of_the_work():
    # In a process of its own: here, the work could take memory that other tests have left behind.
    done = subprocess.run([sys.executable, "-c", PEAKS], cwd=HERE.parent, capture_output=True, text=True, check=True)
    rows = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    if len(rows[0]) == 1:
        pytest.skip("this system does not tell a process its peak")
    for n_bytes, before, most in rows[1:]:
        assert 0.95 * n_bytes < most - before < 1.2 * n_bytes + 2e7


def test_work_of_others_is_what_is_not_ours(monkeypatch):
    # In ten seconds all cores worked for 18, of which this process did 4.
    clocks = SimpleNamespace(perf_counter=iter([0.0, 10.0]).__next__, process_time=iter([5.0, 9.0]).__next__)
    monkeypatch.setattr(measure, "time", clocks)
    monkeypatch.setattr(measure, "_busy_seconds", iter([100.0, 118.0]).__next__)
    assert measure.other_work()() == pytest.approx(1.4)


def test_the_system_tells_how_long_it_worked():
    before, start = measure._busy_seconds(), time.process_time()
    if before is None:
        pytest.skip("this system does not tell how busy it is")
    while time.process_time() - start < 0.3:
        pass
    # It counts in hundredths, for each core by itself.
    assert measure._busy_seconds() - before > 0.2


def test_only_the_first_run_is_watched(monkeypatch):
    seen = []
    monkeypatch.setattr(measure, "peak_memory", lambda work: (work(), seen.append("watched"))[0] or (1, 2))
    work = measure.FirstRun(lambda: seen.append("run"))
    for _ in range(3):
        work()
    assert seen == ["run", "watched", "run", "run"]
    assert work.peak == (1, 2)


@pytest.mark.parametrize("name", ["SciPy", "DataEval", "SmartSVM"])
def test_a_peer_counts_the_edges_of_a_tree(name):
    counts = peers.installed(True)
    if name not in counts:
        pytest.skip(f"{name} is not installed")
    random = np.random.default_rng(0)
    one, other = random.normal(size=(9, 4)).astype("f4"), random.normal(size=(6, 4)).astype("f4") + 1
    expected, _ = extreme_cross_edges(np.concatenate([one, other]), np.repeat([0, 1], [9, 6]))
    assert counts[name](one, other) == expected


@pytest.mark.parametrize("scale", [1, 1e-6])
def test_scipy_gets_no_distance_that_it_takes_for_no_edge(scale):
    random = np.random.default_rng(0)
    one, other = random.integers(0, 3, (2, 12, 2)).astype("f4")
    one[0] = other[0]
    points = np.concatenate([one, other])
    # Small differences, so that ties do not matter.
    points[np.arange(24) % 5 > 0] += random.normal(size=(24, 2))[np.arange(24) % 5 > 0] / 100
    points *= scale
    least, most = extreme_cross_edges(points, np.repeat([0, 1], 12))
    assert least <= peers.scipy_count(points[:12], points[12:]) <= most
    assert peers.scipy_count(points[:1], points[:1]) == 1


def test_peers_are_measured_on_few_pairs_and_multiplied():
    x = points.around_means(4, 10, 3)
    results = hp.pairwise_hp(x, points.labels_of(4, 10))
    ours = {name: results[name].values for name in ("cross_edges_min", "cross_edges_max")}
    whole = peers.measure_peer(peers.scipy_count, x, 4, ours, 60)
    assert (whole["pairs"], whole["equal"]) == (6, 6)
    one = peers.measure_peer(peers.scipy_count, x, 4, ours, 0)
    assert (one["pairs"], one["equal"]) == (1, 1)
    wrong = peers.measure_peer(lambda a, b: peers.scipy_count(a, b) + 1, x, 4, ours, 60)
    assert wrong["equal"] == 0


def test_the_exponent_is_that_of_a_power():
    values = [10, 20, 40]
    assert growth.exponent(values, [3.0 * value**1.7 for value in values]) == pytest.approx(1.7)


# ---- the commands


def test_pairwise_prints_and_keeps_a_row(tmp_path, mnist, capsys):
    file = tmp_path / "pairwise.json"
    words = ["--size", "tiny", "--repeat", "2", "--no-peers", "--json", str(file), "--mnist", str(mnist[0])]
    assert pairwise.main([*words, "--row", "mnist"]) == 0
    printed = capsys.readouterr().out
    kept = json.loads(file.read_text())
    assert printed.strip() == tables.pairwise_table(kept["rows"])
    row = kept["rows"]["mnist"]
    assert (row["n_classes"], row["n_samples"], row["n_features"], row["n_pairs"]) == (3, 20, 784, 3)
    assert row["origin"] == "MNIST test images"
    assert all(len(times) == 2 and min(times) > 0 for times in row["seconds"].values())
    assert row["score"] == np.median(row["seconds"]["ours"]) / np.median(row["seconds"]["product"])
    assert row["peers"]["SciPy"]["pairs"] == row["peers"]["SciPy"]["equal"] == 3
    assert list(row["peers"]) == ["SciPy"]
    # Another run adds to the file; one of another size must not.
    picture = tmp_path / "growth.png"
    assert pairwise.main([*words, "--row", "--growth", str(picture)]) == 0
    grown = json.loads(file.read_text())
    assert grown["rows"] == kept["rows"]
    assert list(grown["growth"]["axes"]) == ["n_samples", "n_classes", "n_features"]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(SystemExit, match="another size"):
        pairwise.main(["--json", str(file), "--row"])


def test_a_row_that_is_refused_leaves_the_others(monkeypatch, tmp_path, capsys):
    def measured(function, case, *rest):
        if case.name == "conv":
            raise ValueError("a pair needs more memory")
        return function(case, *rest)

    monkeypatch.setattr(pairwise, "in_a_new_process", measured)
    words = ["--size", "tiny", "--repeat", "1", "--no-peers", "--row", "conv", "classes-100"]
    assert pairwise.main(words) == 1
    said = capsys.readouterr()
    assert "conv: a pair needs more memory" in said.err
    assert [line.split()[1] for line in said.out.splitlines()[2:]] == ["classes-100"]


def test_all_rows_but_the_largest_by_default():
    names = [case.name for case in cases.chosen_cases("standard", None, cases.Sources())]
    assert "two-large" not in names
    assert [case.name for case in cases.chosen_cases("large", None, cases.Sources())] == [
        *names,
        "two-large",
        "shifted",
    ]
    (case,) = cases.chosen_cases("standard", ["two-large"], cases.Sources())
    assert case.n_samples == 50_000


def test_images_are_moved_by_up_to_one_pixel():
    rng = np.random.default_rng(0)
    images, labels = np.zeros((12, 1, 6, 6), np.float32), np.arange(12) % 10
    images[:, :, 1:5, 1:5] = rng.random((12, 1, 4, 4))
    digits = np.flatnonzero(labels < 5)
    assert len(digits) == 7
    moved = points.moved_images(images, labels, 60).reshape(2, 60, 6, 6)
    plain = images[digits, 0]
    np.testing.assert_array_equal(moved[0, :7], plain)
    np.testing.assert_array_equal(moved[0, 7:14, :, :-1], plain[:, :, 1:])
    np.testing.assert_array_equal(moved[0, 56:60, 1:, 1:], plain[:4, :-1, :-1])
    with_halves = points.moved_images(images, labels, 65).reshape(2, 65, 6, 6)
    np.testing.assert_allclose(with_halves[0, 63], (plain[0] + np.roll(plain[0], 1, axis=1)) / 2)
    assert len(np.unique(with_halves[0].reshape(65, -1), axis=0)) == 65
    assert (np.diff(with_halves[1].sum(axis=(1, 2)).reshape(13, 5), axis=0) < 1e-5).all()
    with pytest.raises(SystemExit, match="66 are needed"):
        points.moved_images(images, labels, 66)


def test_sweep_prints_and_keeps_every_layer(tmp_path, monkeypatch, capsys):
    # What each process does is the same in this one.
    monkeypatch.setattr(sweep, "in_a_new_process", lambda function, *arguments: function(*arguments))
    file = tmp_path / "sweep.json"
    assert sweep.main(["--size", "tiny", "--json", str(file), "--repeat", "2"]) == 0
    printed = capsys.readouterr().out
    row = json.loads(file.read_text())["rows"]["untrained"]
    assert list(row["n_features"].values()) == [144, 8192, 8192, 2048, 4096, 4096, 1024, 512, 512, 10, 10]
    assert len(row["seconds"]["sweep"]) == 2
    products = sum(np.median(times) for times in row["seconds"]["products"].values())
    assert row["score"] == pytest.approx(np.median(row["seconds"]["sweep"]) / products)
    assert tables.sweep_layer_table(row) in printed
    stages = row["seconds"]["stages"]
    assert [list(run) for run in stages] == [["loading", "forward", "reduction", "exact distances", "trees"]] * 2
    # In one thread of the caller, stages follow each other: they are no longer than the sweep.
    assert all(0 < sum(run.values()) < total for run, total in zip(stages, row["seconds"]["sweep"], strict=True))
    assert tables.stage_table({"untrained": row}) in printed
    images, labels, _ = sweep.images_of("tiny", ())
    expected = hp.pairwise_hp(images, labels).hp.mean()
    assert row["mean_hp"]["input"] == pytest.approx(float(expected))


def test_scaling_keeps_every_run_and_its_tables_compare_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling, "in_a_new_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    file = tmp_path / "scaling.json"
    for _ in range(2):
        assert scaling.main(["--size", "tiny", "--way", "here", "--json", str(file)]) == 0
    assert os.environ["OMP_NUM_THREADS"] == "7"
    kept = json.loads(file.read_text())["rows"]["here"]
    assert [run["work"]["tasks"] for run in kept] == [4, 4]
    assert all(run[part]["seconds"] > 0 for run in kept for part in ("work", "small"))
    assert "here" in capsys.readouterr().out

    def run(seconds, small=0.1, own=0.0):
        work = {"tasks": 10, "seconds": seconds, "own_seconds": own}
        few = {"tasks": 10, "seconds": 10 * small, "own_seconds": 10 * own}
        return {"start_seconds": 3.0, "work": work, "small": few, "others_busy_cores": 0.0}

    rows = {
        "here": [run(20)], "processes, 1": [run(24, 0.15, 0.01), run(21, 0.12, 0.01)], "processes, 2": [run(10.5, 0.1)],
        "two programs": [run(10)],
    }  # fmt: skip
    lines = scaling.scaling_table(rows).splitlines()[2:]
    # Each way beside one worker of its kind, by its fastest run.
    assert [line.split("|")[5].strip() for line in lines] == ["1.00", "1.00", "2.00", "2.00"]
    assert "20.0 ms" in scaling.overhead_table(rows)
    assert "10.0 ms" in scaling.overhead_table(rows)
    # 640 tasks of 1 s and 20 ms by 64 workers: ten rounds; the caller needs 6.4 s for them.
    assert scaling.on_paper(1, 64, 0.02, 0.01) == pytest.approx(640 / 10.2)
    assert scaling.on_paper(0.01, 64, 0.02, 0.01) == pytest.approx(1)
    assert f"{640 / 10.2:.1f}" in scaling.curve_table(rows)


def test_a_file_of_points_is_measured_like_a_copy_of_it(tmp_path):
    x, labels = points.around_means(20, 12, 50), points.labels_of(20, 12)
    x.tofile(tmp_path / "points.f32")
    row = on_disk.measure_file(tmp_path / "points.f32", labels, 50)
    # Digits in the first two places: classes 0 to 9, and 10 to 19.
    assert (row["n_pairs"], row["equal"], row["checked"], row["input_bytes"]) == (90, 3, 3, x.nbytes)
    alone = hp.pairwise_hp(x, labels).hp.values.reshape(-1)
    same_place = np.equal(*(np.stack(np.triu_indices(20, 1)) // 10))
    assert row["mean_hp"] == pytest.approx(alone[same_place].mean())
    assert "| 3 of 3 " in on_disk.on_disk_table({"small": row})


def test_a_file_of_points_holds_layers_of_moved_images(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks.network import Network

    monkeypatch.setattr(on_disk, "_PLACES", ((0, 1), (4, 3)))
    torch.manual_seed(3)
    model = Network()
    torch.save(model.state_dict(), tmp_path / "a.ckpt")
    labels = on_disk.write_points(tmp_path / "points.f32", (), tmp_path / "a.ckpt", 2)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(20), 2))
    found = np.fromfile(tmp_path / "points.f32", np.float32).reshape(40, 32, 64, 64)
    # The second place lies 4 pixels down and 2 to the right of the first one.
    np.testing.assert_allclose(found[20:, :, 6:62, 6:62], found[:20, :, 2:58, 4:60], atol=1e-5)


# ---- the page


def test_the_readme_shows_the_committed_results():
    text = report.README.read_text(encoding="utf-8")
    assert text == report.updated(text), "run: python -m benchmarks.report"
    shown = [name for name in report.PARTS if f"<!-- {name} -->" in text]
    assert shown == list(report.PARTS)
    for picture in store.RESULTS.glob("*.png"):
        assert f"(results/{picture.name})" in text


def test_the_readme_would_show_other_results(monkeypatch):
    text = report.README.read_text(encoding="utf-8")
    committed = report.results

    def changed(name):
        found = committed(name)
        found["rows"].get("mnist", {})["score"] = 12.34
        return found

    monkeypatch.setattr(report, "results", changed)
    assert "12.34" in report.updated(text)
    assert "12.34" not in text


def test_committed_results_are_whole():
    rows = report.results("pairwise")["rows"]
    families = {case.name: case for case in cases.CASES["large"]}
    assert {name.partition(" ")[0] for name in rows} <= set(families)
    assert "mnist" in rows
    for name, row in rows.items():
        case = families[name.partition(" ")[0]]
        shape = (row["n_classes"], row["n_samples"], row["n_features"])
        assert shape == (case.n_classes, case.n_samples, case.n_features)
        assert row["score"] == pytest.approx(np.median(row["seconds"]["ours"]) / np.median(row["seconds"]["product"]))
    for row in report.results("sweep")["rows"].values():
        assert (row["n_classes"], row["n_samples"], len(row["n_features"])) == (10, 892, 11)


# ---- on a GPU, or on a stand-in for one


def test_without_a_gpu_the_command_says_so(capsys):
    if gpu.why_not() is None:
        pytest.skip("there is a GPU")
    assert gpu.main([]) == 2
    assert "no GPU to measure on" in capsys.readouterr().err


@needs_compiler
def test_what_is_checked_on_a_gpu_holds_on_the_stand_in():
    with stand_in() as cupy:
        assert gpu_checks.counts(cupy, ((1, 1), (9, 13, 11)), (2, 40))["pairs"] == 4 * 19 * 2
        gpu_checks.other_functions(cupy, (20, 33))


@needs_compiler
def test_little_memory_reaches_every_way_of_counting(monkeypatch):
    monkeypatch.setattr(device.tables, "_ASIDE", 0)
    monkeypatch.setattr(device.tiles, "_SMALLEST", 16)
    with stand_in() as cupy:
        ways = gpu_checks.little_memory(cupy, (75, 90, 80), (10**6, 200_000, 130_000))["ways"]
        assert [way["tables"] for way in ways] == [1, 3, 0]
        with pytest.raises(AssertionError, match="not every way was taken"):
            gpu_checks.little_memory(cupy, (75, 90, 80), (10**6, 10**6, 10**6))


@needs_compiler
def test_a_check_that_does_not_hold_is_an_error_in_the_results(monkeypatch):
    def wrong(*args, **kwargs):
        counts, again = right(*args, **kwargs)
        return counts._replace(mean=counts.mean + 1), again

    right = device.cross_edges
    monkeypatch.setattr(device, "cross_edges", wrong)
    with stand_in() as cupy:
        found = gpu.outcome(gpu_checks.counts, cupy, ((5, 6),), (40,))
    assert "19 of the layers are counted wrongly" in found["error"]
    assert "tiny, classes of (5, 6), 40 features, float64: AssertionError" in found["error"]


@needs_compiler
def test_a_row_of_the_gpu_table_and_the_full_job():
    case = gpu.SIZES["tiny"][1]
    with stand_in() as cupy:
        row = gpu.measure_case(cupy, case, 1)
        few = gpu.measure_few_trees(cupy, "tiny", 1)
    assert set(few) == {"2 x 6", "3 x 6"}
    assert set(few["2 x 6"]) == {"all at once", "one after the other", "one tree"}
    assert row["pairs_equal_to_host"] == case.n_classes * (case.n_classes - 1) // 2
    assert row["score"] == row["seconds"]["ours"][0] / row["seconds"]["product"][0]
    job = gpu.measure_job(None, "tiny", device="cpu")
    assert job["sizes"] == {"checkpoint": 2, "split": 2, "layer": 11, "pair": 3}
