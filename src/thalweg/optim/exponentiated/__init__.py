"""Exponentiated gradient: multiplicative updates, and what they are compared with."""

from thalweg.optim.exponentiated.adamw_eg import AdamWEG
from thalweg.optim.exponentiated.eg_pm import EGPlusMinus
from thalweg.optim.exponentiated.gd_sign import GDSign
from thalweg.optim.exponentiated.sgd_eg import SGDEG
from thalweg.optim.method import Method
from thalweg.optim.rule import Rule

OWN: tuple[Rule | Method, ...] = (SGDEG(), AdamWEG(), EGPlusMinus(), GDSign())
