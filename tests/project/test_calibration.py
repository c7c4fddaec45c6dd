"""The simulations of intervals and p-values, run small."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import calibration


def test_the_tables_have_a_row_for_each_case_and_a_second_run_adds_what_is_missing(capsys, tmp_path):
    file = tmp_path / "calibration.json"
    for sets in ("1", "2"):
        assert calibration.main(["--sets", sets, "--trees", "1", "--rows", "1", "--json", str(file)]) == 0
    first, second = (rows.strip().splitlines() for rows in capsys.readouterr().out.split("| K")[1:])
    assert first[2].startswith("| 10 | 100 x 5 | normal | power, 35% further | 1 ")
    assert second[2].startswith("| 10 | 100 x 5 | normal | power, 35% further | 2 ")
    assert any(row.startswith("| 3, 3 | 1 |") for row in second)
    assert any(row.startswith("| 1.5   | 5 ") for row in second)


@pytest.mark.parametrize(("m", "n", "d"), [(5, 5, 2), (5, 200, 1), (20, 200, 50)])
def test_pvalues_keep_their_size(m, n, d):
    at_5, at_1, _, _ = calibration.measure_sizes(m, n, d, n_sets=5)
    # With 10,000 labellings the standard error of 5 % is .2 %, of 1 % .1 %.
    assert at_5 <= 0.06
    assert at_1 <= 0.015


def test_fisher_over_pairs_is_no_test_for_new_samples_and_folds_are():
    # Of 8 data sets, in none of which anything changed; the benchmark has more.
    case = calibration.Case(10, 50, 5)
    folds, *_, covered, _ = np.mean([calibration.measure_set(case, seed) for seed in range(8)], axis=0)
    assert folds <= 2 / 8
    assert covered >= 6 / 8
