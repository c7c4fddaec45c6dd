"""Find out which layers a model has, where in them the samples are, and how large they are.

The model sees the first batch twice. The probe (`look`) is a pass over the samples in another order, with one sample
more; it leaves no trace. The second pass is the first real one: each of its values is compared with the probe's the
moment it exists (`first`, by the `order` of the rows), and its rows are kept. The axis that is longer in the probe is
the axis of the samples, and rows that do not follow their samples are detected. Neither pass has fewer samples than the
caller's batch: models squeeze a batch of one, and some have a batch size built in. A model that refuses one sample more
is probed with the same number in another order. What comes out is a `plan` of the layers (`survey`).
"""

from hpfunc._torch.probe.plan import PARTIAL, UNPOOLED, VARYING, LayerPlan, report_left_out
from hpfunc._torch.probe.survey import survey

__all__ = ["PARTIAL", "UNPOOLED", "VARYING", "LayerPlan", "report_left_out", "survey"]
