"""Files of arrays: safetensors, and NumPy's npy and npz. Element types float32, float64, int64, int32, uint8, bool."""

from . import _core

__all__ = [name for name in vars(_core.io) if not name.startswith("_")]
globals().update({name: getattr(_core.io, name) for name in __all__})
