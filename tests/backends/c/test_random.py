"""Random modules: emitted C, compiled without warnings, and the interpreter agree."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.backends import native

# Undefined behaviour stops the test process: no wrong answer can hide it.
FLAGS = ["-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
FLAGS += ["-fsanitize-undefined-trap-on-error"]
RELAXED = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("network", "wide"), [(False, False), (True, False), (False, True)])
@RELAXED
@given(data=st.data())
def test_random_modules(data: st.DataObject, network: bool, wide: bool) -> None:
    found = native.drawn(data, network, wide)
    if found is None:
        return
    module, sizes = found
    with tempfile.TemporaryDirectory() as folder:
        (binding,) = native.library([module], Path(folder), flags=FLAGS)
        native.check(binding, module, data.draw(strategies.inputs(module, sizes, wide)), sizes)
