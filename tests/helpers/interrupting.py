"""Data that interrupts the process which trains on it."""

import os

import keras


def send(number):
    """A function that sends this process a signal."""
    return lambda *_: os.kill(os.getpid(), number)


class Interrupting(keras.utils.PyDataset):
    """Five batches an epoch; fetching a certain one of them sends a signal. Fit with ``shuffle=False``."""

    def __init__(self, images, number, epoch=0, index=1):
        super().__init__()
        self.images, self.number = images, number
        self.epoch, self.when = -1, (epoch, index)

    def __len__(self):
        return 5

    def on_epoch_begin(self):
        self.epoch += 1

    def __getitem__(self, index):
        if (self.epoch, index) == self.when:
            self.when = None
            send(self.number)()
        return (self.images[4 * index : 4 * index + 4],)
