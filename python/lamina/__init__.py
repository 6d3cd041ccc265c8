"""Neural-network primitives for the CPU.

    import lamina
    y = lamina.nn.conv2d(images, weight, padding="same")

lamina.nn        functions on arrays, with their gradients
lamina.Tensor    arrays whose computation is recorded: backward() finds the gradients
lamina.layers    Linear, Conv2d, ... and modules made of them
lamina.optim     SGD, Adam, ... and schedules
lamina.data      data sets and batches
lamina.io        safetensors, npy and npz files
lamina.train     a training loop
lamina.simd      which instruction set functions run on
"""

from . import _core, autograd, data, io, layers, nn, optim, simd, train
from ._core import Generator, __version__
from .tensor import Tensor, grad_enabled, no_grad, parameter

_functions = ["memory_cache_bytes", "memory_cache_limit", "num_threads", "permutation", "random_bernoulli",
              "random_integers", "random_normal", "random_uniform", "seed", "set_memory_cache_limit",
              "set_num_threads", "thread_choice", "trim_memory"]
globals().update({name: getattr(_core, name) for name in _functions})

__all__ = ["Generator", "Tensor", "autograd", "data", "grad_enabled", "io", "layers", "nn", "no_grad", "optim",
           "parameter", "simd", "train", *_functions]
