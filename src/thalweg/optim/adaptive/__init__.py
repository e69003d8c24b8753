"""Steps scaled by past gradients, weight by weight or parameter by parameter."""

from thalweg.optim.adaptive.adadelta import Adadelta
from thalweg.optim.adaptive.adagrad import Adagrad
from thalweg.optim.adaptive.adam import Adam, AdamW
from thalweg.optim.adaptive.adamax import Adamax
from thalweg.optim.adaptive.adan import Adan
from thalweg.optim.adaptive.amsgrad import AMSGrad
from thalweg.optim.adaptive.lamb import LAMB
from thalweg.optim.adaptive.lars import LARS
from thalweg.optim.adaptive.nadam import NAdam
from thalweg.optim.adaptive.prodigy import Prodigy
from thalweg.optim.adaptive.radam import RAdam
from thalweg.optim.adaptive.rmsprop import RMSprop
from thalweg.optim.adaptive.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from thalweg.optim.method import Method
from thalweg.optim.rule import Rule

OWN: tuple[Rule | Method, ...] = (
    Adagrad(),
    RMSprop(),
    Adadelta(),
    Adam(),
    AdamW(),
    AMSGrad(),
    Adamax(),
    NAdam(),
    RAdam(),
    Adan(),
    LAMB(),
    LARS(),
    Prodigy(),
    ScheduleFreeSGD(),
    ScheduleFreeAdamW(),
)
