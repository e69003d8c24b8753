"""Steps that use curvature: Hessian-vector products or factored preconditioners."""

from thalweg.optim.method import Method
from thalweg.optim.rule import Rule
from thalweg.optim.second_order.adahessian import AdaHessian
from thalweg.optim.second_order.kfac import KFAC
from thalweg.optim.second_order.lbfgs import LBFGS
from thalweg.optim.second_order.muon import Muon
from thalweg.optim.second_order.newton_cg import NewtonCG
from thalweg.optim.second_order.shampoo import Shampoo
from thalweg.optim.second_order.soap import SOAP
from thalweg.optim.second_order.sophia import Sophia

OWN: tuple[Rule | Method, ...] = (
    NewtonCG(),
    LBFGS(),
    AdaHessian(),
    Sophia(),
    KFAC(),
    Shampoo(),
    SOAP(),
    Muon(),
)
