"""Families of torchvision, timm and transformers, built small from their configurations with random weights."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as zoo
from torchvision.models import detection, efficientnet, mobilenetv3, regnet, resnet, swin_transformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.video import mvit
from torchvision.models.video import resnet as video
from torchvision.ops import MultiScaleRoIAlign

from tests.models import seeded

_FUSED, _INVERTED, _BLOCK = (
    efficientnet.FusedMBConvConfig,
    efficientnet.MBConvConfig,
    mobilenetv3.InvertedResidualConfig,
)
_SWIN = {"patch_size": [4, 4], "embed_dim": 12, "depths": [1, 2], "num_heads": [2, 2], "window_size": [2, 2]}
_WITH_HEADS = {"weights": None, "aux_logits": True, "init_weights": False}


def _with_small_head(build, features, channels):
    """Build a model without its head of a hundred million weights, which takes most of the time."""
    with torch.device("meta"):
        model = build()
    model.features = features
    model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(channels, 8), nn.ReLU(True), nn.Linear(8, 3))
    return model


def _alexnet():
    with torch.device("meta"):
        features = zoo.alexnet().features.to_empty(device="cpu")
    for layer in features:
        getattr(layer, "reset_parameters", tuple)()
    return _with_small_head(zoo.alexnet, features, 256 * 6 * 6)


def _vgg():
    features = zoo.vgg.make_layers([8, "M", 16, 16, "M"], batch_norm=True)
    return _with_small_head(lambda: zoo.VGG(features, init_weights=False), features, 16 * 7 * 7)


class _Backbone(nn.Sequential):
    """Stand in for the backbone of a detector: one map of some channels."""

    def __init__(self, channels=8):
        parts = nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, channels, 1)
        super().__init__(*parts)
        self.out_channels = channels


_SIDE = {"min_size": 32, "max_size": 32, "num_classes": 3}
_ANCHORS = {"sizes": ((8,),), "aspect_ratios": ((1.0,),)}


def _rcnn(kind, **parts):
    """Build a detector of two stages that looks at four regions of each image."""
    pools = {name: MultiScaleRoIAlign(["0"], 4, 1) for name in ("box_roi_pool", *parts) if name.endswith("_roi_pool")}
    few = {"rpn_post_nms_top_n_test": 4, "box_detections_per_img": 2}
    heads = {name: part() for name, part in parts.items() if not name.endswith("_roi_pool")}
    box_head = detection.faster_rcnn.TwoMLPHead(8 * 4 * 4, 12)
    box_predictor = detection.faster_rcnn.FastRCNNPredictor(12, 3)
    return kind(
        _Backbone(), min_size=32, max_size=32, rpn_anchor_generator=AnchorGenerator(**_ANCHORS), box_head=box_head,
        box_predictor=box_predictor, **pools, **heads, **few,
    )  # fmt: skip


def _mask_rcnn():
    return _rcnn(
        detection.MaskRCNN,
        mask_roi_pool=None,
        mask_head=lambda: detection.mask_rcnn.MaskRCNNHeads(8, (8,), 1),
        mask_predictor=lambda: detection.mask_rcnn.MaskRCNNPredictor(8, 8, 3),
    )


def _keypoint_rcnn():
    return _rcnn(
        detection.KeypointRCNN,
        keypoint_roi_pool=None,
        keypoint_head=lambda: detection.keypoint_rcnn.KeypointRCNNHeads(8, (8,)),
        keypoint_predictor=lambda: detection.keypoint_rcnn.KeypointRCNNPredictor(8, 2),
    )


def _mvit():
    """Build a multiscale vision transformer of two blocks, for clips."""
    sizes = {"kernel_q": [3, 3, 3], "kernel_kv": [3, 3, 3]}
    blocks = [
        mvit.MSBlockConfig(1, 8, 8, **sizes, stride_q=[1, 1, 1], stride_kv=[1, 2, 2]),
        mvit.MSBlockConfig(2, 8, 16, **sizes, stride_q=[1, 2, 2], stride_kv=[1, 1, 1]),
    ]
    return mvit.MViT((32, 32), 8, blocks, residual_pool=True, residual_with_cls_embed=False, rel_pos_embed=True,
                     proj_after_attn=True, num_classes=3)  # fmt: skip


# Each family of torchvision, in eval mode on images of 32 pixels but for those of `_LARGER`.
TORCHVISION = {
    "alexnet": _alexnet,
    "convnext": lambda: zoo.ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]),
    "densenet": lambda: zoo.DenseNet(8, (2, 2), 8),
    "efficientnet": lambda: zoo.EfficientNet(
        [_INVERTED(1, 3, 1, 8, 8, 1), _INVERTED(4, 3, 2, 8, 16, 1)], 0.0, last_channel=24
    ),
    "efficientnetv2": lambda: zoo.EfficientNet(
        [_FUSED(1, 3, 1, 8, 8, 1), _INVERTED(4, 3, 2, 8, 16, 1)], 0.0, last_channel=24
    ),
    "googlenet": lambda: zoo.googlenet(**_WITH_HEADS),
    "inception": lambda: zoo.inception_v3(**_WITH_HEADS),
    "maxvit": lambda: zoo.MaxVit((32, 32), 8, 2, [8, 16], [1, 1], 8, 0.0),
    "mnasnet": lambda: zoo.MNASNet(0.1),
    "mobilenetv2": lambda: zoo.MobileNetV2(width_mult=0.25, inverted_residual_setting=[[1, 8, 1, 1], [6, 12, 2, 2]]),
    "mobilenetv3": lambda: zoo.MobileNetV3(
        [_BLOCK(8, 3, 8, 8, True, "RE", 2, 1, 1.0), _BLOCK(8, 5, 16, 16, True, "HS", 2, 1, 1.0)], 16
    ),
    "regnet": lambda: zoo.RegNet(regnet.BlockParams([1, 1], [8, 16], [8, 8], [1.0, 1.0], [2, 2], se_ratio=0.25)),
    "resnet": lambda: zoo.ResNet(resnet.BasicBlock, [1, 1, 1, 1]),
    "resnext": lambda: zoo.ResNet(resnet.Bottleneck, [1, 1, 1, 1], groups=4, width_per_group=4),
    "shufflenetv2": lambda: zoo.ShuffleNetV2([2, 2, 2], [8, 16, 16, 16, 32]),
    "squeezenet": zoo.squeezenet1_1,
    "swin": lambda: zoo.SwinTransformer(**_SWIN),
    "swinv2": lambda: zoo.SwinTransformer(
        **_SWIN,
        block=swin_transformer.SwinTransformerBlockV2,
        downsample_layer=swin_transformer.PatchMergingV2,
    ),
    "vgg": _vgg,
    "vit": lambda: zoo.VisionTransformer(32, 8, 2, 2, 16, 24),
    "wide_resnet": lambda: zoo.ResNet(resnet.Bottleneck, [1, 1, 1, 1], width_per_group=128),
    "segmentation": lambda: zoo.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None),
    "fasterrcnn": lambda: _rcnn(detection.FasterRCNN),
    "maskrcnn": _mask_rcnn,
    "keypointrcnn": _keypoint_rcnn,
    "retinanet": lambda: detection.retinanet.RetinaNet(
        _Backbone(), **_SIDE, anchor_generator=AnchorGenerator(**_ANCHORS)
    ),
    "fcos": lambda: detection.fcos.FCOS(_Backbone(32), **_SIDE, anchor_generator=AnchorGenerator(**_ANCHORS)),
    "ssd": lambda: detection.ssd.SSD(nn.Sequential(*_Backbone()), DefaultBoxGenerator([[2]]), (32, 32), 3),
    "mvit": _mvit,
    "video": lambda: zoo.video.VideoResNet(video.BasicBlock, [video.Conv3DSimple] * 4, [1, 1, 1, 1], video.BasicStem),
}
_LARGER = {"alexnet": 64, "inception": 75}
CLIPS = ("mvit", "video")
DETECTORS = ("fasterrcnn", "maskrcnn", "keypointrcnn", "retinanet", "fcos", "ssd")

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


def torchvision_model(name):
    """Build a model of torchvision."""
    return seeded(TORCHVISION[name]).train()


def torchvision_input(name, count=5):
    """Draw images, or clips of eight, for a family of torchvision."""
    size = _LARGER.get(name, 32)
    if name in CLIPS:
        return images(count * 8, size).reshape(count, 8, 3, size, size).movedim(1, 2).contiguous()
    # Detectors expect pixels between 0 and 1.
    return images(count, size).sigmoid() if name in DETECTORS else images(count, size)


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
