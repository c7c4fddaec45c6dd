"""Compare tables of NumPy and pandas: find which species of iris are hard to tell apart, and by which measurements."""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

import hpfunc as hp


def main(argv: list[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tables"), help="where everything is written (tables)")
    out = parser.parse_args(argv).out
    out.mkdir(parents=True, exist_ok=True)
    iris = load_iris(as_frame=True)
    flowers, species = iris.data, iris.target_names[iris.target]  # a DataFrame, and an array of the names of classes
    features = {"sepal": flowers.filter(like="sepal"), "petal": flowers.filter(like="petal"), "all": flowers}
    features["standardised"] = (flowers - flowers.mean()) / flowers.std()
    results = hp.pairwise_hp(features, species)
    table = hp.to_frame(results)
    table.to_csv(out / "pairs.csv", index=False)
    print(table.pivot_table("hp", "layer", ["class_a", "class_b"], sort=False).round(2))
    print(hp.to_frame(hp.hardest_pairs(results, 1))[["layer", "class_a", "class_b", "hp", "pvalue"]].round(3))
    print(
        hp.to_frame(hp.bayes_error_bounds(results.sel(layer="all")))[["class_a", "class_b", "lower", "upper"]].round(3)
    )
    bridges = hp.bridging_samples({"all": features["all"]}, species).share.sel(layer="all")
    most = np.argsort(-bridges.values, kind="stable")[:5]
    print(flowers.assign(species=species, share=bridges.values).iloc[most])
    hp.plot_pairs(results, order="similarity").savefig(out / "pairs.png", dpi=120)


if __name__ == "__main__":
    main()
