"""Numbers about trained models, from their images and latents: NumPy in, floats out."""

from genzoo.metrics.likelihood import parzen_log_likelihood
from genzoo.metrics.representation import active_units

__all__ = ["active_units", "parzen_log_likelihood"]
