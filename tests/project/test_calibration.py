"""The simulations of intervals and p-values, run small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import calibration


def test_the_tables_have_a_row_for_each_case_and_a_second_run_adds_what_is_missing(capsys, tmp_path):
    file = tmp_path / "calibration.json"
    for sets in ("1", "2"):
        assert calibration.main(["--sets", sets, "--trees", "1", "--rows", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert out.count("kept by every row") == 2
    first, second = (rows.strip().splitlines() for rows in out.split("| K")[1:])
    assert first[2].startswith("| 10 | 100 x 5 | normal | power, 10% further | 1 ")
    assert second[2].startswith("| 10 | 100 x 5 | normal | power, 10% further | 2 ")
    assert any(row.startswith("| 3, 3 | 1 |") for row in second)
    assert any(row.startswith("| 1.5   | 5 ") for row in second)
    # A data set depends on its number alone, not on the runs and processes that came before.
    [(name, shares)] = json.loads(file.read_text())["intervals"].items()
    case = calibration.INTERVALS[0]
    assert name == case.name
    assert shares == [calibration.measure_set(case, number) for number in range(2)]


def test_a_row_out_of_bounds_is_named_if_chance_does_not_explain_it():
    case = calibration.Case(2, 50, 5)
    kept, broken = [0.0] * 5 + [1.0, 1.0], [1.0] + [0.0] * 4 + [0.0, 1.0]
    assert calibration.broken_bounds({case.name: [kept] * 90 + [broken] * 10}) == []
    found = calibration.broken_bounds({case.name: [kept] * 170 + [broken] * 30})
    assert found == [f"{case.name}: folds 15.0 %", f"{case.name}: covered 85.0 %"]
    # The bound is 85 of 100 data sets: 80 may be chance, 75 are too few.
    case = calibration.Case(10, 100, 5, further=0.12)
    assert calibration.broken_bounds({case.name: [broken] * 80 + [kept] * 20}) == []
    assert calibration.broken_bounds({case.name: [broken] * 75 + [kept] * 25}) == [f"{case.name}: folds 75.0 %"]


@pytest.mark.parametrize(("m", "n", "d"), [(5, 5, 2), (5, 200, 1), (20, 200, 50)])
def test_pvalues_keep_their_size(m, n, d):
    at_5, at_1, _, _ = calibration.measure_sizes(m, n, d, n_sets=5)
    # With 10,000 labellings the standard error of 5 % is .2 %, of 1 % .1 %.
    assert at_5 <= 0.06
    assert at_1 <= 0.015


def test_fisher_over_pairs_is_no_test_for_new_samples_and_folds_are():
    # Of 5 data sets, in none of which anything changed; the benchmark has more.
    case = calibration.Case(10, 50, 5)
    folds, *_, covered, _ = np.mean([calibration.measure_set(case, seed) for seed in range(5)], axis=0)
    assert folds <= 1 / 5
    assert covered >= 4 / 5
