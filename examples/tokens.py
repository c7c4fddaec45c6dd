"""Pool the tokens of a transformer by its attention mask, and measure how well each layer separates topics.

Run it with ``python examples/tokens.py --out tokens``. The model is a small encoder from the package transformers
(``pip install transformers``), built from its configuration and trained for a moment, so nothing is downloaded. The
example

1. makes short texts of three topics and pads them, as a tokenizer does,
2. collects each layer three times: the first token, the last token, and the mean over the tokens that are not padding,
3. measures with `hpfunc.pairwise_hp` how well each layer separates the topics,
4. writes a table (CSV) and a results file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import hpfunc as hp

WRITTEN = ("pairs.csv", "token-mean.nc")

# Word 0 is padding, word 1 begins each text, words 2 to 11 are common to all topics; 6 words of each topic follow.
TOPICS, COMMON, OWN, TOKENS = 3, 10, 6, 12


def make_texts(per_topic: int, seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Draw texts of 4 to 12 words; every third word belongs to the topic of the text."""
    random = np.random.default_rng(seed)
    topics = np.repeat(np.arange(TOPICS), per_topic)
    ids = np.zeros((len(topics), TOKENS), np.int64)
    for row, topic in zip(ids, topics, strict=True):
        length = random.integers(4, TOKENS + 1)
        common, own = random.integers(0, COMMON, length), random.integers(0, OWN, length)
        row[:length] = np.where(random.random(length) < 1 / 3, 2 + COMMON + topic * OWN + own, 2 + common)
        row[0] = 1
    words = torch.from_numpy(ids)
    return {"input_ids": words, "attention_mask": (words != 0).long()}, torch.from_numpy(topics)


def make_model() -> torch.nn.Module:
    """Build a small BERT that classifies texts by topic."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=2 + COMMON + TOPICS * OWN,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=TOKENS,
        num_labels=TOPICS,
    )
    return BertForSequenceClassification(config)


def train(model: torch.nn.Module, steps: int) -> None:
    """Train on texts that are drawn anew for each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(steps):
        texts, topics = make_texts(20, seed=1000 + step)
        loss = torch.nn.functional.cross_entropy(model(**texts).logits, topics)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100, metavar="N", help="texts of each topic (100)")
    parser.add_argument("--steps", type=int, default=60, metavar="N", help="steps of training (60)")
    parser.add_argument("--out", type=Path, default=Path("tokens"), help="where everything is written (tokens)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = make_model()
    train(model, args.steps)

    # The mask goes to the model with the ids, so collect_activations knows which tokens are padding.
    data = make_texts(args.texts, seed=0)
    layers = ["bert.embeddings", "bert.encoder.layer.0", "bert.encoder.layer.1"]
    runs = []
    for pooling in ("first-token", "last-token", "token-mean"):
        activations = hp.collect_activations(model, data, layers=layers, reduce=pooling)
        runs.append(hp.pairwise_hp(activations).expand_dims(pooling=[pooling]))
    separation = {str(run.pooling.values[0]): run.hp.mean("pair").squeeze("pooling").to_series() for run in runs}
    print("Mean over the pairs of topics:")
    for pooling, by_layer in separation.items():
        print(f"{pooling:12}", "  ".join(f"{layer} {value:.3f}" for layer, value in by_layer.items()))

    table = [hp.to_frame(run.isel(pooling=0)) for run in runs]
    for frame in table:
        first = frame is table[0]
        frame.to_csv(args.out / "pairs.csv", mode="w" if first else "a", index=False, header=first)
    runs[-1].isel(pooling=0, drop=True).to_netcdf(args.out / "token-mean.nc")
    print(f"Wrote pairs.csv and token-mean.nc into {args.out}.")


if __name__ == "__main__":
    main()
