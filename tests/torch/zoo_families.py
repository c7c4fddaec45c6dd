"""Families of timm and of transformers, built small from their configurations with random weights."""

import numpy as np
import pytest
import torch

from tests.models import seeded

TIMM = {
    "vit_tiny_patch16_224": {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2},
    "vit_small_patch14_reg4_dinov2": {"img_size": 28, "depth": 2, "embed_dim": 24, "num_heads": 2},
    "deit_tiny_distilled_patch16_224": {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2},
    "beit_base_patch16_224": {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2},
    "mixer_s32_224": {"img_size": 64},
    "resnet10t": {},
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    "efficientnet_lite0": {},
    "mobilenetv3_small_050": {},
    "swin_tiny_patch4_window7_224": {
        "img_size": 64, "window_size": 2, "depths": (1, 1), "embed_dim": 12, "num_heads": (2, 2),
    },
    "cait_xxs24_224": {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2},
}  # fmt: skip
_SMALL = {
    "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 32,
}  # fmt: skip
_SIGHT = {**_SMALL, "image_size": 16, "patch_size": 8}
TRANSFORMERS = {
    "bert": _SMALL,
    "roberta": {**_SMALL, "pad_token_id": 0},
    "electra": {**_SMALL, "embedding_size": 16},
    "albert": {**_SMALL, "embedding_size": 8},
    "distilbert": {"vocab_size": 30, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "gpt2": {"vocab_size": 30, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    "llama": {**_SMALL, "num_key_value_heads": 1},
    "mistral": {**_SMALL, "num_key_value_heads": 1},
    "qwen2": {**_SMALL, "num_key_value_heads": 1},
    "gpt_neox": _SMALL,
    "opt": {**_SMALL, "ffn_dim": 24, "word_embed_proj_dim": 16, "pad_token_id": 0},
    "vit": _SIGHT,
    "deit": _SIGHT,
    "convnext": {"num_stages": 2, "hidden_sizes": [8, 16], "depths": [1, 1]},
}


def timm_model(name):
    """Build a model of timm that sorts into three classes."""
    timm = pytest.importorskip("timm")
    return seeded(lambda: timm.create_model(name, pretrained=False, num_classes=3, **TIMM[name])).train()


def transformers_model(name):
    """Build a model of transformers."""
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(name, **TRANSFORMERS[name])
    config.use_cache = False
    return seeded(lambda: transformers.AutoModel.from_config(config)).train()


def sees_images(name):
    """Tell whether a family of transformers takes images, not texts."""
    return name in ("vit", "deit", "convnext")


def images(count=5, size=32):
    """Draw images."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32))


def texts(count=5, tokens=7, *, left=False):
    """Draw texts of several lengths, padded on one side, with their attention mask."""
    random = np.random.default_rng(1)
    ids = torch.from_numpy(random.integers(2, 30, (count, tokens)))
    lengths = torch.from_numpy(1 + np.arange(count) % tokens)
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    mask = mask.flip(1) if left else mask
    return {"input_ids": torch.where(mask == 1, ids, 0), "attention_mask": mask}
