"""Methods that find their step size."""

from thalweg.optim.method import Method
from thalweg.optim.rule import Rule
from thalweg.optim.step_size.armijo import Armijo
from thalweg.optim.step_size.cocob import COCOB
from thalweg.optim.step_size.exact_line_search import ExactLineSearch
from thalweg.optim.step_size.sps import SPS

OWN: tuple[Rule | Method, ...] = (SPS(), Armijo(), COCOB(), ExactLineSearch())
