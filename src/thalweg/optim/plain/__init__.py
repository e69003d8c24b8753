"""Steps along the gradient, its sign, or a momentum of either."""

from thalweg.optim.method import Method
from thalweg.optim.plain.lion import Lion
from thalweg.optim.plain.momentum import Momentum, Nesterov
from thalweg.optim.plain.sgd import SGD
from thalweg.optim.plain.signsgd import SignSGD
from thalweg.optim.rule import Rule

OWN: tuple[Rule | Method, ...] = (SGD(), Momentum(), Nesterov(), SignSGD(), Lion())
