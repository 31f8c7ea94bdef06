"""C names for the names of the IR, which come from strangers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ddc.ir import fresh_name

from .helpers import HELPERS

LONGEST = 40

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while alignas alignof bool constexpr false nullptr static_assert thread_local true
typeof typeof_unqual and and_eq asm bitand bitor catch char8_t char16_t char32_t class co_await
co_return co_yield compl concept const_cast consteval constinit decltype delete dynamic_cast
explicit export friend mutable namespace new noexcept not not_eq operator or or_eq private
protected public reinterpret_cast requires static_cast template this throw try typeid typename
using virtual wchar_t xor xor_eq main linux unix i386
""".split()

# Functions and macros of the headers that emitted files include, and builtins of compilers.
_LIBRARY = """
abort abs acos asin atan atan2 atexit atof atoi atol bsearch calloc cbrt ceil copysign cos cosh
div erf erfc errno exit exp exp2 expm1 fabs fdim floor fma fmax fmin fmod fpclassify free frexp
getenv hypot ilogb isfinite isgreater isinf isless isnan isnormal isunordered j0 j1 jn labs ldexp
ldiv lgamma llabs llrint llround log log10 log1p log2 logb lrint lround malloc memcpy memset modf
nan nearbyint nextafter pow printf qsort quick_exit rand realloc remainder remquo rint round scalbn
signbit signgam sin sinh sqrt srand strtod strtol system tan tanh tgamma trunc y0 y1 yn gamma
stdin stdout stderr puts gets read write open close time clock index rindex select signal kill link pipe exec fork wait
sleep stat send recv bind listen accept connect socket I NULL NAN INFINITY HUGE_VAL EOF RAND_MAX
offsetof size_t ptrdiff_t max_align_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t
uint64_t intmax_t uintmax_t intptr_t uintptr_t workspace overflow space LANES Bytes SignedBytes
""".split()

RESERVED = frozenset({*_KEYWORDS, *_LIBRARY, *HELPERS})
_MACRO = re.compile(
    r"(E[A-Z0-9]\w*|[A-Z][A-Z0-9_]*_(MIN|MAX|C|BIT|WIDTH)|M_\w+|FP_\w+|FE_\w+|MATH_\w+|DDC_\w+)$"
)


def identifier(name: str, default: str = "x") -> str:
    """Return an identifier like `name` that means nothing to C or C++ itself."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:LONGEST].strip("_")
    text = re.sub(r"__+", "_", text)
    if not text:
        return default
    if text[0].isdigit():
        text = f"{default}_{text}"
    return f"{text}_" if text in RESERVED or _MACRO.match(text) else text


class Names:
    """Unique C names, asked for by wish; the same IR name always gets the same C name."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._of: dict[str, str] = {}

    def fresh(self, wish: str) -> str:
        """Return a name like `wish` that is not taken."""
        name = fresh_name(identifier(wish), self._taken)
        self._taken.add(name)
        return name

    def of(self, name: str) -> str:
        """Return the C name of a name of the IR."""
        if name not in self._of:
            self._of[name] = self.fresh(name)
        return self._of[name]

    def assign(self, name: str, wish: str) -> str:
        """Give a name of the IR a fresh C name like `wish`, once."""
        if name not in self._of:
            self._of[name] = self.fresh(wish)
        return self._of[name]
