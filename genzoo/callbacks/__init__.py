"""Keras callbacks for generative models."""

from genzoo.callbacks.grids import SampleGrid, TranslationGrid
from genzoo.callbacks.health import HealthMonitor
from genzoo.callbacks.signals import StopOnSignal

__all__ = ["HealthMonitor", "SampleGrid", "StopOnSignal", "TranslationGrid"]
