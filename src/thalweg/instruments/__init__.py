"""Instruments in anyone's training loop."""

from thalweg.instruments.instruments import Instruments

__all__ = ["Instruments"]
