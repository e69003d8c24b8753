"""Instruments that watch a training step by step."""
