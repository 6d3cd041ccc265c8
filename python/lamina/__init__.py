"""Neural-network primitives for the CPU.

    import lamina
    y = lamina.nn.conv2d(images, weight, padding="same")

`lamina.nn` holds the functions. help(lamina.nn) says what they take.
"""

from . import nn
from ._core import __version__

__all__ = ["nn"]
