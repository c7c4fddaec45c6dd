"""Collect the activations of every layer of a torch model for the samples of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpfunc._support.keywords import known_arguments
from hpfunc._support.optional import need

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["collect_activations"]


@known_arguments
def collect_activations(
    model: Any,
    data: Any,
    /,
    *,
    layers: Sequence[str] | None = None,
    classes: Sequence[int | str] | None = None,
    samples_per_class: int | None = 1000,
    key: int | tuple[int, ...] | None = None,
    batch_size: int = 256,
    device: Any = None,
    store: str = "device",
    method: str | Callable[[Any], Mapping[str, Any]] = "hooks",
    reduce: Any = None,
    dtype: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    label: int | str | Callable[[Any], tuple[Any, Any]] | None = None,
    max_memory: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Run a model over samples of each class and keep the output of every layer.

    The model runs in eval mode without gradients. Afterwards, also after an error or Ctrl-C, it is as it was: modes,
    parameters, buffers, gradients, hooks, attributes (see the notes), and torch's random state, defaults and switches.

    Parameters
    ----------
    model : torch.nn.Module
        Wrappers (``torch.compile``, ``DataParallel``, ``DistributedDataParallel``) are removed.
    data : Dataset, IterableDataset, DataLoader, (x, labels) or mapping
        A torch data set of ``(x, label)``, a loader of such batches, or a pair of arrays. Entries of a tuple after the
        label are ignored. Items, batches and arrays may also be mappings such as ``{"pixel_values": x, "labels": y}``:
        the model is then called with keyword arguments, or, if it accepts none of their names, with the only tensor
        among them. Labels are integers or strings. ``x`` may be a tuple or a dict of several inputs, and may hold
        texts, or lists of images of several sizes, where ``forward`` takes them. Floating inputs are cast to the dtype
        of the model's parameters. Where labels can be read without loading samples (``targets``, ``labels``,
        ``tensors``, arrays), only the chosen samples are loaded; otherwise each sample is loaded once, and the chosen
        ones are held on the host. A sample that a loader or ``Subset`` repeats counts once.
    layers : list of str, optional
        Names, or globs of ``*`` and ``?``; a container can be named, ``"input"`` is the model's input and
        ``"output"`` its output. By default the input and every module call inside which no other module was
        called.
    classes : list of int or str, optional
        The labels to take, in this order; samples of other classes are ignored. By default all, sorted.
    samples_per_class : int or None
        How many samples of each class at most; None for all. A class that has fewer contributes all of them.
    key : int or tuple of int, optional
        Draw the samples of each class at random, independently of the batch size and of the other classes. By default
        they are the first of each class in data order.
    batch_size : int
        Samples in one forward pass. A DataLoader keeps its own batch size. The model never receives a batch smaller
        than the loader's smallest: a smaller one is filled up with repeated samples, whose rows are dropped.
    device : str or torch.device, optional
        Where to run, by default where the model is. Elsewhere a copy of the model runs.
    store : {"device", "cpu"}
        Keep activations on the device that computes them (as CuPy arrays on CUDA), or copy them to the host.
    method : {"hooks", "fx", "snapshot"} or callable
        ``"hooks"`` observes the calls of modules. ``"fx"`` traces the model and observes each operation of its graph,
        under the names that torchvision gives them. ``"snapshot"`` is for a model with ``refresh()``,
        ``snapshot_forward(x)`` and the dict ``snapshot``, whose entry ``initial`` becomes ``input``. A callable maps a
        batch to a dict name -> tensor.
    reduce : {"mean", "first-token", "last-token", "token-mean"}, callable or mapping, optional
        Make activations smaller as they are taken: ``"mean"`` over space, for values of four or more axes ``(sample,
        channel, ...)``; one of the three token options, for values ``(sample, token, feature)``; a function of a batch
        of one layer's values that keeps the first axis; or a mapping from layers (names or globs) to these. Values of
        other axes are kept. Where the model is given an ``attention_mask`` of ``(sample, token)``, tokens where it is 0
        are padding, on either side, and are ignored.
    dtype : {"float16", "float32", "float64"}, optional
        Keep floating activations in this dtype, by default in their own (bfloat16 becomes float32).
    forward : callable, optional
        ``forward(model, x)`` runs the model on a batch; by default ``model(x)``, ``model(*x)`` or ``model(**x)``.
    label : int, str or callable, optional
        Where the label of an item or batch is: its position, its key, or a function that returns ``(inputs, label)``.
        The inputs are the entries before it, or after it if it comes first; in a mapping, all other entries. By default
        the label is the second entry of a tuple, and in a mapping the only key among ``label``, ``labels``,
        ``label_ids``, ``target``, ``targets`` and ``y``.
    max_memory : int, optional
        The largest size of the result in bytes; by default the free memory of the device. A larger result raises
        ValueError before the model runs over the data.
    progress : bool
        Show a bar.

    Returns
    -------
    xarray.Dataset
        One variable for each layer, in execution order, the input first. Its dims are ``sample`` and the layer's own
        axes, ``<layer>_0``, ``<layer>_1``, ... (with a further underscore where that is another layer's name). Coords
        on ``sample`` are ``label`` and ``index``, the position in the data set (for a data set or loader that is read
        in one pass, the position as delivered; there is no ``index`` where a loader's ``collate_fn`` hides where its
        rows come from). The samples are arranged class by class, in the order of the classes, and in data order within
        a class, so that a class is a block of rows. Variables share memory with the tensors that were collected.

    Raises
    ------
    ValueError
        For a layer that did not run, a class without samples, samples of different sizes, a sample that cannot be
        loaded (its number and the cause are named), an output that holds no tensors, a model that cannot be
        traced, a device that does not exist, or too little memory.
    TypeError
        For data, labels or a model of an unsupported type.
    ImportError
        Without torch, or without torchvision for ``method="fx"``.

    Notes
    -----
    Repeated calls of a module are named ``relu``, ``relu_1``, ``relu_2``, in the order of the calls; a module with two
    names uses the first. A suffixed name that belongs to another module is skipped, and a module called ``input``,
    ``label``, ``index`` or ``sample`` starts at ``_1``. A model that calls no modules is one layer, ``output``. Each
    tensor of a nested output is a variable: ``lstm[0]``, ``head[aux]``. The slash, which netCDF does not allow in a
    name, becomes an underscore. The sample axis is the one whose length changes with the batch size; it comes first in
    the result. A value without such an axis, such as a positional embedding, is left out.

    Before the collection, the model runs once on the first batch in another order and with one sample more. This shows
    which layers it has, how large they are, and whether their rows follow the samples; it costs one batch more than a
    plain pass. The following are left out with a warning, or raise an error if they were asked for by name: layers
    whose rows are in another order (a model that sorts its batch), layers that do not run for every batch or have rows
    for some samples only (experts, early exit), layers whose samples have different shapes in different batches (texts
    that are padded batch by batch), layers whose tokens are not those of the attention mask where tokens are pooled,
    and values without a dense form (nested tensors). Quantised and sparse values become dense, and float8, complex32
    and unsigned integers are widened. A call also counts as a layer if no call inside it gave rows of samples. Where
    warnings are errors (``warnings.simplefilter("error")``), the first such warning ends the collection, and the model
    is restored.

    To restore the model, the values of its parameters, buffers, gradients and plain tensors are copied before the run
    and compared afterwards. This takes as much host memory as they do, and about three seconds for each GB (2.9 s for a
    model of 1.07 GB whose own two passes took 1.5 s). Restored are modules (also those in lists), Python containers,
    tensors, NumPy arrays, random generators, the attributes of other objects one level deep, and torch's switches. Not
    restored are globals, attributes of classes, iterators, streams, memoryviews, objects that functions hold (also
    ``forward=``), other threads and processes, and the settings of Python and the system (environment variables, the
    working directory, filters of warnings, the recursion limit, signals, logging). ``torch.set_flush_denormal`` cannot
    be read, and a model that moves its memory into shared memory keeps it there.

    Compiled models run uncompiled, and transformers run without their fused kernels, which would skip the modules
    inside. During the run, torch's default dtype is float32 (float64 for a float64 model), and its default device is a
    device of the model. Calls from several threads take turns, because they share the state that is restored.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from hpfunc.activations import collect_activations
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> acts = collect_activations(model, (torch.rand(6, 4), [0, 1, 0, 1, 0, 1]), samples_per_class=2)
    >>> {name: layer.shape for name, layer in acts.items()}
    {'input': (4, 4), '0': (4, 3), '1': (4, 3)}
    >>> acts.label.values, acts.index.values
    (array([0, 0, 1, 1]), array([0, 2, 1, 3]))
    """
    need("torch", "collect_activations")
    from hpfunc._labels.provenance import collected_attrs
    from hpfunc._torch.collect import Collection
    from hpfunc._torch.options import check_options

    options = check_options({
        "layers": layers, "classes": classes, "samples_per_class": samples_per_class, "key": key,
        "batch_size": batch_size, "device": device, "store": store, "method": method, "reduce": reduce, "dtype": dtype,
        "forward": forward, "label": label, "max_memory": max_memory,
    })  # fmt: skip
    attrs = collected_attrs({
        "layers": options.layers, "classes": options.classes, "samples_per_class": samples_per_class, "key": key,
        "method": method, "reduce": reduce, "dtype": dtype, "forward": forward, "label": label,
    })  # fmt: skip
    return Collection(model, data, options, progress=progress).whole().assign_attrs(attrs)
