"""The simulations of intervals and p-values, run small."""

from __future__ import annotations

import pytest

from benchmarks import calibration


def test_the_tables_have_a_row_for_each_case(capsys):
    assert calibration.main(["--sets", "2", "--trees", "1", "--rows", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("| K")
    assert printed[2].startswith("| 2 | 50 x 5 | normal | size  |")
    assert printed[-1].startswith("| 3, 3 | 1 |")


@pytest.mark.parametrize(("m", "n", "d"), [(5, 5, 2), (5, 200, 1), (20, 200, 50)])
def test_pvalues_keep_their_size(m, n, d):
    found = calibration.measure_pvalues(m, n, d, n_sets=5, n_labellings=2000)
    # With 10,000 labellings the standard error of 5 % is .2 %, of 1 % .1 %.
    assert found["5 %"] <= 0.06
    assert found["1 %"] <= 0.015


def test_fisher_over_pairs_is_no_test_for_new_samples_and_folds_are():
    # Of 8 data sets, in none of which anything changed; the benchmark has more.
    found = calibration.measure_intervals((10, 50, 5, "normal", 0.0), 8)
    assert found["folds"] <= 2 / 8
    assert found["coverage"] >= 6 / 8
