"""Signals that somebody has chosen to ignore, as ``nohup`` and shells do for what runs behind them, stay ignored."""

import signal

import pytest

from genzoo.callbacks import StopOnSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        stop = StopOnSignal()
        stop.on_train_begin()
        signal.raise_signal(number)
        assert stop.received is None
        stop.restore()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
