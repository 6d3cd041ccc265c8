"""What the tests share. `pytest` finds the package by PYTHONPATH."""

import hypothesis
import numpy as np
import pytest

# The same examples in every run: a test that fails by chance helps nobody.
hypothesis.settings.register_profile(
    "lamina", deadline=None, derandomize=True, max_examples=60, print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck))
hypothesis.settings.load_profile("lamina")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
