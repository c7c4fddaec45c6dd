"""The benchmark of long results, run small."""

import json

from benchmarks.long_results import main


def test_the_benchmark_of_long_results_runs_small(tmp_path, capsys):
    assert main(["--size", "tiny", "--folder", str(tmp_path), "--json", str(tmp_path / "rows.json")]) == 0
    assert "mean of everything over pairs" in capsys.readouterr().out
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert list(rows)[:2] == ["write", "open"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]
