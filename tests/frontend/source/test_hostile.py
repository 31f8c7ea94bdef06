"""Programs that attack their reader: nothing of them runs, and each is one clear line, soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ddc import ir
from ddc.frontend.source import read_program
from tests.frontend.source.tracing import array, traced

SECONDS = 15.0

HOSTILE = {
    "import os": "import os\ndef f(x):\n    return os.system('touch HERE')\n",
    "dunder import": "def f(x):\n    return __import__('os').system('touch HERE')\n",
    "at module level": "__import__('os').system('touch HERE')\ndef f(x):\n    return x\n",
    "in a default": "def f(x, y=open('HERE', 'w')):\n    return x\n",
    "in a decorator": "@open('HERE', 'w')\ndef f(x):\n    return x\n",
    "in an annotation": "class A:\n    open('HERE', 'w')\ndef f(x):\n    return x\n",
    "open": "def f(x):\n    open('HERE', 'w').write('x')\n    return x\n",
    "eval": "def f(x):\n    return eval(\"open('HERE', 'w')\")\n",
    "exec": "def f(x):\n    exec(\"open('HERE', 'w')\")\n    return x\n",
    "compile": "def f(x):\n    return compile('1', 'a', 'eval')\n",
    "getattr": "def f(x):\n    return getattr(x, '__class__')\n",
    "subclasses": "def f(x):\n    return ().__class__.__mro__[1].__subclasses__()\n",
    "class of a number": "def f(x):\n    return x.__class__\n",
    "class of a function": "def f(x):\n    return f.__globals__\n",
    "type": "def f(x):\n    return type(x)\n",
    "globals": "def f(x):\n    return globals()\n",
    "breakpoint": "def f(x):\n    breakpoint()\n    return x\n",
    "numpy loads": "import numpy as np\ndef f(x):\n    return np.load('HERE', allow_pickle=True)\n",
    "numpy library": "import numpy as np\ndef f(x):\n    return np.ctypeslib\n",
    "from os": "from os import system\ndef f(x):\n    return system('touch HERE')\n",
    "numpy's os": "from numpy import os\ndef f(x):\n    return os\n",
    "format": "def f(x):\n    return '{0.__class__}'.format(x)\n",
    "f-string": "def f(x):\n    return f'{x.__class__}'\n",
    "percent": "def f(x):\n    return '%99999999999d' % 1\n",
    "infinite loop": "def f(x):\n    while True:\n        pass\n",
    "symbolic infinite loop": "def f(x):\n    while x:\n        pass\n    return x\n",
    "long loop": "def f(x):\n    for i in range(10**12):\n        pass\n",
    "list of a range": "def f(x):\n    return list(range(10**12))\n",
    "sum of a range": "def f(x):\n    return sum(range(10**12))\n",
    "endless iterator": "import itertools\ndef f(x):\n    return list(itertools.count())\n",
    "product": "import itertools\ndef f(x):\n    return len(list(itertools.product(range(99), repeat=9)))\n",
    "power": "def f(x):\n    return 10**10**10\n",
    "nested power": "def f(x):\n    return 9**9**9**9\n",
    "shift": "def f(x):\n    return 1 << 10**12\n",
    "float power": "def f(x):\n    return 10.0**400\n",
    "squares": "def f(x):\n    y = 3\n    for i in range(60):\n        y = y * y\n    return y\n",
    "symbolic squares": "def f(x):\n    y = x + 3\n    for i in range(60):\n        y = y * y\n    return y\n",
    "list product": "def f(x):\n    return [0] * 10**12\n",
    "list doubling": "def f(x):\n    y = [0]\n    for i in range(60):\n        y = y + y\n    return y\n",
    "string product": "def f(x):\n    return 'a' * 10**12\n",
    "nested lists": "def f(x):\n    y = [0]\n    for i in range(60):\n        y = [y, y]\n    return y == y\n",
    "append while walking": "def f(x):\n    y = [0]\n    for i in y:\n        y.append(i)\n    return x\n",
    "list in itself": "def f(x):\n    y = [0]\n    y[0] = y\n    return y == y\n",
    "returns a list in itself": "def f(x):\n    y = [0]\n    y[0] = y\n    return y\n",
    "recursion": "def f(x):\n    return f(x)\n",
    "symbolic recursion": 'def g(x):\n    return g(x) if x else 0\ndef f(x):\n    """ddc: {}"""\n    return g(x)\n',
    "parentheses": "def f(x):\n    return " + "(" * 5000 + "x" + ")" * 5000 + "\n",
    "lists in lists": "def f(x):\n    return " + "[" * 150 + "x" + "]" * 150 + "\n",
    "minus signs": "def f(x):\n    return " + "-" * 100000 + "x\n",
    "nots": "def f(x):\n    return " + "not " * 2000 + "x\n",
    "ifs": "def f(x):\n"
    + "".join(" " * k + "if x:\n" for k in range(1, 90))
    + " " * 90
    + "return x\n",
    "digits": "def f(x):\n    return " + "9" * 100000 + "\n",
    "null": "def f(x):\n    return x\0\n",
    "not Python": "this is no Python",
    "empty": "",
    "too long": "#" * (5 << 20),
    "yield": "def f(x):\n    yield x\n",
    "async": "async def f(x):\n    return x\n",
    "global list": "def f(x):\n    global f\n    f = 3\n    return f(x)\n",
    "metadata": "def f(x):\n    '''ddc: {\"input\": 3}'''\n    return x\n",
    "deep metadata": "def f(x):\n    '''ddc: {\"a\": " + "[" * 100000 + "}'''\n    return x\n",
    "lambda that calls itself": "def f(x):\n    g = lambda h: h(h)\n    return g(g)\n",
    "long names": "def f(x):\n    return " + "a" * 100000 + "\n",
    "partial that calls itself": (
        "import functools\ndef f(x):\n    g = lambda h: functools.partial(h, h)()\n    return g(g)\n"
    ),
    "reduce over a range": (
        "import functools\ndef f(x):\n"
        "    return functools.reduce(lambda a, b: a * 3, range(10**7), 1)\n"
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile(text: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    start = time.monotonic()
    with pytest.raises(ir.DdcError) as caught:
        traced(text.replace("HERE", str(victim)), {"x": ir.BIT}, ir.BIT)
    assert time.monotonic() - start < SECONDS
    assert not victim.exists()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    assert message.startswith("rules.py:")


RAISING = [
    ("if sum(x) > 2:\n        raise ValueError('x')\n    return 0", "x[0] = 1, x[1] = 1, x[2] = 1"),
    ("if x[0] and not x[0]:\n        raise ValueError\n    return 0", None),
    ("if x[0] + x[1] > 2:\n        raise ValueError\n    return 0", None),
    ("if any(v not in (0, 1) for v in x):\n        raise ValueError\n    return 0", None),
    (
        "if not all(isinstance(v, int) and 0 <= v <= 1 for v in x):\n        raise TypeError\n    return 0",
        None,
    ),
    ("if len(x) != 3:\n        raise ValueError(f'{len(x)}')\n    return 0", None),
    ("assert x[0] in (0, 1)\n    return 0", None),
    ("assert x[0]\n    return 0", "x[0] = 0"),
    ("return 1 // sum(x)", "x[0] = 0, x[1] = 0, x[2] = 0"),
    ("return 1 // sum(x) if any(x) else 0", None),
    ("return x[sum(x)]", "x[0] = 1, x[1] = 1, x[2] = 1"),
    ("return x[sum(x)] if sum(x) < 3 else 0", None),
    ("return {0: 1, 1: 0}[x[0] + x[1]]", "x[0] = 1, x[1] = 1"),
    ("return {0: 1, 1: 0}[x[0] & x[1]]", None),
    ("if x[0]:\n        y = 1\n    return y", "has a value for some inputs only"),
    ("if x[0]:\n        y = 1\n    return y if x[0] else 0", "has a value for some inputs only"),
]


@pytest.mark.parametrize(("body", "witness"), RAISING)
def test_a_program_that_raises_for_some_input_is_told(body: str, witness: str | None) -> None:
    text = f"def f(x):\n    {body}\n"
    params = {"x": array(ir.BIT, 3)}
    if witness is None:
        traced(text, params, ir.BIT)
        return
    with pytest.raises(ir.DdcError) as caught:
        traced(text, params, ir.BIT)
    assert witness in str(caught.value)
    assert str(caught.value).startswith("rules.py:")


def test_errors_name_the_place_and_the_construct() -> None:
    text = "def f(x):\n    y = x\n    with open('a') as b:\n        y = 2\n    return y\n"
    with pytest.raises(ir.DdcError) as caught:
        traced(text, {"x": ir.BIT}, ir.BIT)
    assert str(caught.value) == ("rules.py:3:10: the name open is not defined, or not understood")
    text = "def f(x):\n    return [x, 1, x]\n"
    with pytest.raises(ir.DdcError) as caught:
        traced(text, {"x": ir.BIT}, array(ir.BIT, 2))
    assert str(caught.value) == (
        "rules.py:1:1: returns an array of shape [3] where bit[2] is wanted"
    )


def test_metadata_and_the_public_function() -> None:
    text = (
        'def _a(x):\n    """ddc: {\\"name\\": \\"no\\"}"""\n\n\n'
        'def rule(x):\n    """Return x.\n\n'
        '    ddc: {"input": "x: bit", "model": "sha256:00", "output": "step"}\n    """\n'
        "    return x\n\n\ndef helper(y):\n    return y\n"
    )
    program = read_program(text, "rules.py")
    assert program.name == "rule"
    assert program.meta == {"input": "x: bit", "model": "sha256:00", "output": "step"}
    with pytest.raises(ir.DdcError, match="several public functions"):
        read_program("def a():\n    pass\ndef b():\n    pass\n", "rules.py")
    with pytest.raises(ir.DdcError, match="no public function"):
        read_program("def _a():\n    pass\n", "rules.py")
    assert read_program("def a(x):\n    return x\n", "rules.py").meta is None


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "while True: n += 1",
        "while n < x: n -= 1",
        "for i in itertools.count(): pass",
        "n = [i for i in itertools.repeat(1)]",
        "l = [1]\n    for v in l: l.append(v)",
        "n = any(i < 0 for i in itertools.count())",
    ],
)
def test_loops_that_never_end_are_refused_soon(loop: str) -> None:
    text = f"import itertools\ndef f(x):\n    n = 0\n    {loop}\n    return n\n"
    with pytest.raises(ir.DdcError, match="a loop has not ended after [0-9]+ rounds"):
        traced(text, {"x": ir.BIT}, ir.INT)
