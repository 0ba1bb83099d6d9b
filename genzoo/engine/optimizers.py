"""What Keras knows of its own optimizers and promises nobody: for one that is made of several, and for copies."""


class Averages:
    """A mixin for an optimizer made of several, by which ``keras.callbacks.SwapEMAWeights`` finds all their averages.

    The names are those that the callback looks for; ``averages`` says what is there.
    """

    def averages(self):
        """Pairs of a variable and its average, each variable once; or None where no optimizer keeps averages."""
        raise NotImplementedError

    @property
    def _model_variables_moving_average(self):
        pairs = self.averages()
        if pairs is None:  # so that the callback says what it needs
            raise AttributeError("No optimizer has use_ema=True.")
        return [average for _, average in pairs]

    @property
    def _trainable_variables(self):
        return [variable for variable, _ in self.averages() or ()]

    @_trainable_variables.setter
    def _trainable_variables(self, variables):
        """Keras sets an empty list while it makes an optimizer."""


def averages_of(optimizer, variables):
    """The averages that a Keras optimizer with ``use_ema`` keeps of the variables that it was built for."""
    kept = [variable for variable in optimizer.variables if variable.name.endswith("_average")]
    return list(zip(variables, kept, strict=True))


def copied(optimizer):
    """Another Keras optimizer with the same settings, and without state."""
    copy = optimizer.from_config(optimizer.get_config())
    for name, value in vars(optimizer).items():
        if name.startswith("_exclude_from_weight_decay"):  # which configs of Keras leave out
            setattr(copy, name, value)
    return copy
