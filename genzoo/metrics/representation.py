"""What latents hold."""

import numpy as np


def active_units(codes, threshold: float = 0.01) -> int:
    r"""Number of latents that say something about x: $\operatorname{Var}_x(E_{q(z \mid x)}[z_u]) > 0.01$.

    Args:
        codes: means of q(z | x), ``(n, latent_dim)``, as ``model.encode(x)`` gives them.
        threshold: on the variance over the images.

    Returns:
        How many of the ``latent_dim`` latents are active.

    Example:
    >>> import numpy as np
    >>> active_units(np.array([[0.0, 3.0], [0.05, -3.0]]))
    1

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016, section 5.
    """
    codes = np.asarray(codes, "float64")
    if codes.ndim != 2 or len(codes) < 2:
        raise ValueError(f"Expected codes (n, latent_dim), n at least 2. Received: shape {codes.shape}")
    return int(np.sum(codes.var(axis=0) > threshold))
