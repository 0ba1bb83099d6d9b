"""Numbers about trained models, from their images and latents: NumPy in, floats out."""

from genzoo.metrics.disentanglement import DCI, dci, mig, sap
from genzoo.metrics.distances import (
    DensityCoverage,
    InceptionScore,
    KernelDistance,
    PrecisionRecall,
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from genzoo.metrics.features import FeatureNetwork, feature_network
from genzoo.metrics.images import LabelHistogram, label_histogram, nearest_neighbours, sharpness
from genzoo.metrics.likelihood import annealed_importance_sampling, parzen_log_likelihood, parzen_sigma
from genzoo.metrics.representation import active_units, knn_accuracy, linear_probe

__all__ = [
    "DCI",
    "DensityCoverage",
    "FeatureNetwork",
    "InceptionScore",
    "KernelDistance",
    "LabelHistogram",
    "PrecisionRecall",
    "active_units",
    "annealed_importance_sampling",
    "dci",
    "density_coverage",
    "feature_network",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "knn_accuracy",
    "label_histogram",
    "linear_probe",
    "mig",
    "nearest_neighbours",
    "parzen_log_likelihood",
    "parzen_sigma",
    "precision_recall",
    "sap",
    "sharpness",
]
