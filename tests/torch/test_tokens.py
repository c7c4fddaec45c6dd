"""Pooling over tokens: the first, the last, the mean, by the attention mask, against pooling by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from hpfunc._torch.reduction import pool_tokens
from hpfunc.activations import collect_activations
from tests.clone_hooks import clone_hooks
from tests.torch.zoo_families import TRANSFORMERS, images, sees_images, texts, timm_model, transformers_model

LABELS = [0, 1, 1, 0, 1]
ROWS = [0, 3, 1, 2, 4]
WAYS = ("first-token", "last-token", "token-mean")


def by_hand(value, mask, how):
    """Pool sample by sample, over the tokens that its mask keeps."""
    pooled = []
    for tokens, kept in zip(value, mask, strict=True):
        tokens = tokens[kept.bool()]
        pooled.append({"first-token": tokens[0], "last-token": tokens[-1], "token-mean": tokens.mean(0)}[how])
    return torch.stack(pooled)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("left", [False, True])
def test_padding_counts_for_nothing_on_either_side(how, left):
    mask = texts(left=left)["attention_mask"]
    value = torch.randn(5, 7, 3, dtype=torch.float64)
    # What stands in the padding may be anything.
    value[mask == 0] = float("nan")
    torch.testing.assert_close(pool_tokens(how, "layer", value, mask), by_hand(value, mask, how))
    for kind in (torch.bool, torch.float32, torch.int32):
        torch.testing.assert_close(pool_tokens(how, "layer", value, mask.to(kind)), by_hand(value, mask, how))


@pytest.mark.parametrize("how", WAYS)
def test_without_a_mask_every_token_counts(how):
    value, every = torch.randn(5, 7, 3), torch.ones(5, 7)
    torch.testing.assert_close(pool_tokens(how, "layer", value, None), by_hand(value, every, how))
    for other in (torch.randn(5, 7), torch.randn(5, 7, 3, 2)):
        assert pool_tokens(how, "layer", other, every) is other


def test_sums_of_half_precision_do_not_overflow():
    value = torch.full((2, 300, 3), 300.0, dtype=torch.float16)
    mask = torch.ones(2, 300)
    mask[:, 0] = 0
    torch.testing.assert_close(pool_tokens("token-mean", "layer", value, mask), value[:, 0])


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"layer 'a' has shape \(5, 7, 3\), the attention mask \(5, 6\)"):
        pool_tokens("token-mean", "a", torch.randn(5, 7, 3), torch.ones(5, 6))
    with pytest.raises(ValueError, match="a sample without any token, for layer 'a'"):
        pool_tokens("first-token", "a", torch.randn(2, 3, 4), torch.tensor([[1, 0, 0], [0, 0, 0]]))


def assert_pooled(acts, model, data, mask, how, forward):
    """Compare every layer with what a cloning hook saw, pooled by hand."""
    seen = {}
    for name, value, _ in clone_hooks(model, data, forward):
        seen.setdefault(name, value)
    compared = 0
    for name in set(acts.data_vars) & set(seen):
        value = seen[name]
        kept = mask if value.shape[:2] == mask.shape else torch.ones(value.shape[:2])
        expected = by_hand(value, kept, how) if value.ndim == 3 else value
        np.testing.assert_allclose(acts[name].values, expected.numpy()[ROWS], rtol=1e-4, atol=1e-5, err_msg=name)
        compared += value.ndim == 3
    return compared


@pytest.mark.slow
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_text_models(name, left, how):
    model, data = transformers_model(name), texts(left=left)
    acts = collect_activations(model, (data, LABELS), reduce=how, batch_size=3)
    mask = data["attention_mask"]
    assert assert_pooled(acts, model, data, mask, how, lambda model, x: model(**x)) > 10
    assert acts["input[input_ids]"].shape == (5, 7)


@pytest.mark.slow
@pytest.mark.parametrize("how", WAYS)
def test_vision_models(how):
    model, x = transformers_model("vit"), images(size=16)
    acts = collect_activations(model, ({"pixel_values": x}, LABELS), reduce=how)
    assert assert_pooled(acts, model, x, torch.ones(5, 5), how, lambda model, x: model(pixel_values=x)) > 10
    # A class token, four registers, and four patches.
    model, x = timm_model("vit_small_patch14_reg4_dinov2"), images(size=28)
    acts = collect_activations(model, (x, LABELS), reduce=how)
    assert acts["blocks.0.norm1"].shape == (5, 24)
    assert assert_pooled(acts, model, x, torch.ones(5, 9), how, None) > 10
    patches = collect_activations(model, (x, LABELS), reduce={"blocks.*.norm1": lambda rows: rows[:, 5:].mean(1)})
    full = collect_activations(model, (x, LABELS), layers=["blocks.1.norm1"])["blocks.1.norm1"].values
    np.testing.assert_allclose(patches["blocks.1.norm1"], full[:, 5:].mean(1), rtol=1e-4, atol=1e-6)


class Text(nn.Module):
    """Embeds tokens; every token is a layer's row."""

    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(30, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, ids, attention_mask=None):
        return self.head(self.mix(self.embed(ids)).mean(1))


def test_reduce_by_layer_and_however_the_mask_is_passed():
    data = texts()
    ids, mask = data["input_ids"], data["attention_mask"]
    model = Text()
    named = {"ids": ids, "attention_mask": mask}
    reduce = {"embed": "last-token", "mix": "token-mean"}
    expected = collect_activations(model, (named, LABELS), reduce=reduce)
    with torch.no_grad():
        embedded = model.embed(ids)
    np.testing.assert_allclose(expected["embed"], by_hand(embedded, mask, "last-token").numpy()[ROWS], rtol=1e-5)
    for data, options in (
        (((ids, mask), LABELS), {}),
        ((ids, LABELS), {"forward": lambda model, x: model(x, attention_mask=(x != 0).long())}),
        ((named, LABELS), {"method": "fx"}),
    ):
        acts = collect_activations(model, data, reduce=reduce, batch_size=2, **options)
        for layer in ("embed", "mix", "head"):
            np.testing.assert_allclose(acts[layer].values, expected[layer].values, rtol=1e-4, atol=1e-6)


def test_texts_padded_batch_by_batch_are_collected():
    data = texts(10, 9)

    def cut(items):
        longest = max(int(item["attention_mask"].sum()) for item, _ in items)
        batch = {key: torch.stack([item[key][:longest] for item, _ in items]) for key in items[0][0]}
        return {"ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}, torch.tensor(
            [label for _, label in items]
        )

    items = [({key: value[k] for key, value in data.items()}, k // 5) for k in range(10)]
    loader = torch.utils.data.DataLoader(items, batch_size=3, collate_fn=cut)
    model = Text()
    acts = collect_activations(model, loader, layers=["embed", "mix"], reduce="token-mean")
    with torch.no_grad():
        expected = by_hand(model.embed(data["input_ids"]), data["attention_mask"], "token-mean")
    np.testing.assert_allclose(acts["embed"].values, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_of_padded_batches_what_has_no_common_shape_is_left_out_aloud():
    """A loader pads each batch to its own longest text, in data order."""
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    class Texts(torch.utils.data.Dataset):
        targets = [0, 1] * 4

        def __len__(self):
            return 8

        def __getitem__(self, k):
            # Texts of one batch are equally long, so that none is padded.
            return torch.arange(1, 4 + 2 * (k // 3)), self.targets[k]

    def pad(items):
        return nn.utils.rnn.pad_sequence([x for x, _ in items], True), torch.tensor([y for _, y in items])

    loader, model = torch.utils.data.DataLoader(Texts(), 3, collate_fn=pad), Text()
    told = r"left out: input, embed, mix \(3 in all\), whose samples have different shapes in different batches"
    with pytest.warns(UserWarning, match=told):
        acts = collect_activations(model, loader)
    assert list(acts.data_vars) == ["head"]
    with pytest.raises(ValueError, match=r"'embed' .*different shapes.*\(5, 4\) here, and \(3, 4\) in the first"):
        collect_activations(model, loader, layers=["embed", "head"])
    with pytest.warns(UserWarning, match=r"left out: input \(1 in all\), whose samples"):
        acts = collect_activations(model, loader, reduce="token-mean")
    with torch.no_grad():
        expected = torch.stack([model.embed(Texts()[k][0]).mean(0) for k in order])
    np.testing.assert_allclose(acts["embed"].values, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_what_the_mask_does_not_count_is_left_out_aloud():
    class Longer(Text):
        def forward(self, ids, attention_mask=None):
            mixed = self.mix(self.embed(ids))
            return self.head(torch.cat([mixed, mixed[:, :1]], 1)).mean(1)

    data = texts()
    named = {"ids": data["input_ids"], "attention_mask": data["attention_mask"]}
    with pytest.warns(
        UserWarning, match=r"left out: head \(1 in all\), whose tokens are not those of the attention mask"
    ):
        acts = collect_activations(Longer(), (named, LABELS), reduce="token-mean", batch_size=2)
    assert {"embed", "mix"} <= set(acts.data_vars)
    with pytest.raises(ValueError, match="'head' means tensors whose tokens are not those of the attention mask"):
        collect_activations(Longer(), (named, LABELS), reduce="token-mean", layers=["head"])


def test_the_families_of_text_are_known():
    assert sum(not sees_images(name) for name in TRANSFORMERS) >= 10
