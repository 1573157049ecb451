"""The house rules that can be counted: sizes, parameters, module docstrings, and one place that reads the clock.

A green run does not prove that the code is clear: a short function can still be bad, and a docstring can be empty of
meaning.
"""

import ast
import statistics

import pytest

from tests.support.sources import Source, sources

FILE_MAX_LINES, FILE_MEDIAN_LINES = 350, 120
FUNCTION_MAX_LINES, FUNCTION_NINTH_LINES = 60, 30
PARAMETERS_MAX = 6
CLOCK = "shared/clock.py"
CLOCK_NAMES = {"time", "time_ns", "sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
COMMANDS = "millrace/cli/"


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function, docstring included, decorators not."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of parameters that a caller may have to know."""
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def clock_reads(source: Source) -> list[int]:
    """Return the lines that name a function of `time` which reads the clock or waits, whether called or passed on."""
    nodes = list(ast.walk(source.tree))
    aliases = {a.asname or a.name for n in nodes if isinstance(n, ast.Import) for a in n.names if a.name == "time"}
    named = [n for n in nodes if isinstance(n, ast.Attribute) and n.attr in CLOCK_NAMES]
    lines = [n.lineno for n in named if isinstance(n.value, ast.Name) and n.value.id in aliases]
    taken = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "time"]
    return lines + [n.lineno for n in taken if CLOCK_NAMES & {a.name for a in n.names}]


def long_parts(source: Source) -> list[str]:
    """Return the module if it is too long, and each of its functions that is."""
    found = []
    if source.lines > FILE_MAX_LINES:
        found.append(f"{source.name} has {source.lines} lines (at most {FILE_MAX_LINES})")
    for node in source.functions:
        if function_lines(node) > FUNCTION_MAX_LINES:
            where = f"{source.name}:{node.lineno} {node.name}"
            found.append(f"{where} has {function_lines(node)} lines (at most {FUNCTION_MAX_LINES})")
    return found


def breaches(source: Source) -> list[str]:
    """Return every rule that one module of the packages breaks by itself."""
    found = long_parts(source)
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        found.append(f"{source.name} has no module docstring")
    if source.name != CLOCK:
        found += [f"{source.name}:{line} reads the clock outside {CLOCK}" for line in clock_reads(source)]
    for node in source.functions:
        where = f"{source.name}:{node.lineno} {node.name}"
        if parameters(node) > PARAMETERS_MAX and not source.name.startswith(COMMANDS):
            found.append(f"{where} takes {parameters(node)} parameters (at most {PARAMETERS_MAX})")
    return found


def median_file_lines(modules: list[Source]) -> float:
    """Return the median length of the modules that are not empty."""
    return statistics.median(source.lines for source in modules if source.text)


def ninth_function_lines(modules: list[Source]) -> float:
    """Return the length that nine functions in ten do not exceed."""
    return statistics.quantiles((function_lines(f) for source in modules for f in source.functions), n=10)[-1]


def test_no_module_breaks_a_rule() -> None:
    assert [breach for source in sources() for breach in breaches(source)] == []


def test_no_test_or_benchmark_is_too_long() -> None:
    assert [part for source in sources(("tests", "benchmarks")) for part in long_parts(source)] == []


def test_the_median_file_is_short() -> None:
    assert median_file_lines(sources()) <= FILE_MEDIAN_LINES


def test_nine_functions_in_ten_are_short() -> None:
    assert ninth_function_lines(sources()) <= FUNCTION_NINTH_LINES


DOCUMENTED = '"""Says."""\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shared/a.py", DOCUMENTED + "x = 1\n" * FILE_MAX_LINES),
        ("shared/a.py", "x = 1\n"),
        ("shared/a.py", DOCUMENTED + "import time\ntime.sleep(1)\n"),
        ("shared/a.py", DOCUMENTED + "import time as t\nnow = t.monotonic\n"),
        ("shared/a.py", DOCUMENTED + "from time import perf_counter\n"),
        ("shared/a.py", DOCUMENTED + "def f():\n" + "    x = 1\n" * FUNCTION_MAX_LINES),
        ("shared/a.py", DOCUMENTED + "class A:\n    async def f(self, a, b, c, d, *, e, f, g): ...\n"),
    ],
)
def test_a_planted_breach_is_found(name: str, text: str) -> None:
    assert len(breaches(Source(name, text))) == 1


def test_allowed_code_is_not_a_breach() -> None:
    assert breaches(Source(CLOCK, DOCUMENTED + "import time\ntime.sleep(1)\n")) == []
    assert breaches(Source(COMMANDS + "a.py", DOCUMENTED + "def f(a, b, c, d, e, f, g): ...\n")) == []
    assert breaches(Source("shared/a.py", "")) == []


def test_too_many_long_files_and_functions_are_found() -> None:
    long_function = "def f():\n" + "    x = 1\n" * FUNCTION_NINTH_LINES
    modules = [Source(f"shared/{n}.py", DOCUMENTED + long_function * 4) for n in range(5)]
    assert median_file_lines(modules) > FILE_MEDIAN_LINES
    assert ninth_function_lines(modules) > FUNCTION_NINTH_LINES
