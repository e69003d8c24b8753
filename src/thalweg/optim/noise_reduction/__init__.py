"""Gradient estimators whose variance falls as the optimum nears.

With ``train.augment`` full gradients, blocks and further examples are of the images as they are
stored, so that an estimate is unbiased for neither objective. Batch norm makes a loss that is no
mean over examples, and takes statistics at every point where a gradient is asked for.
"""

from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.growing_batch import GrowingBatch
from thalweg.optim.noise_reduction.page import PAGE
from thalweg.optim.noise_reduction.sarah import SARAH
from thalweg.optim.noise_reduction.storm import STORM
from thalweg.optim.noise_reduction.svrg import SVRG
from thalweg.optim.noise_reduction.table import SAG, SAGA
from thalweg.optim.rule import Rule

OWN: tuple[Rule | Method, ...] = (
    *(SVRG(), SAG(), SAGA(), SARAH(), PAGE(), STORM()),
    GrowingBatch(),
)
