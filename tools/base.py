"""What a tool is: typed parameters in, values with units, series, a plot and assumptions out. Knows no tool by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from tools.forms import chosen, natural
from tools.plain_values import finite, flushed, readable

Value = float | int | bool | str | None | list[Any] | dict[str, Any]
Kind = Literal["calculator", "simulator", "formula"]


class ToolError(Exception):
    """Text for whoever called the tool (a model or a learner), who may try again with other arguments."""


class Params(BaseModel):
    """Base of a tool's parameters. Names carry the unit (`item_bytes`, `nic_Gbps`); every field has a range."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


def param(default: Any = ..., *, unit: str = "", words: Sequence[str] = (), help: str = "", **limits: Any) -> Any:
    """A parameter: `unit` is what its number counts, `words` are what a learner calls it in plain language (used to
    fill it from a sentence), `limits` are pydantic's (ge, le, gt, lt, max_length…).

    >>> class P(Params):
    ...     dau: float = param(1e6, unit="users", words=["daily users", "dau"], ge=1, le=1e10)
    >>> P(dau=5).dau
    5.0
    """
    return Field(default, description=help or None, json_schema_extra={"unit": unit, "words": list(words)}, **limits)


def outputs(**labels: str) -> Any:
    """The parameter `out` of a formula with several outputs: a regular expression by each, in their order. Naming some of them
    gives those; whatever names none or all gives all.

    >>> outputs(basic="basic", advanced="advanced").description
    'which outputs: basic, advanced; all if none is named'
    """
    named = ", ".join(label.replace("_", " ") for label in labels)
    return Field("", description=f"which outputs: {named}; all if none is named", max_length=200,
                 json_schema_extra={"unit": "", "words": [], "outputs": dict(labels)})


class Line(BaseModel):
    """One line, bar group, step, point set or cell set of a plot: `x` and `y` of equal length (gantt: `x` start, `y` row,
    `x2` end; cell: column and row of a table). `notes`, one a point, are written at bars (in place of the figure), in
    gantt bars and in cells."""

    label: str
    x: list[float | str]
    y: list[float | str]
    x2: list[float] | None = None
    kind: Literal["line", "step", "scatter", "bar", "gantt", "cell"] = "line"
    dashed: bool = False
    notes: list[str] | None = None


class Plot(BaseModel):
    """A picture as data; `tools.draw` turns it into SVG, PNG or text. Axes are labelled with their units; `stacked` bars
    lie on each other."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    log_x: bool = False
    log_y: bool = False
    stacked: bool = False
    marks: list[dict[str, Any]] = Field(default_factory=list)
    """Reference lines: {"axis": "x"|"y", "at": number, "label": text}; an empty label leaves the line unnamed."""


class ToolResult(BaseModel):
    """What every run returns. `values` are the right answers with `units` by the same key; `naive` holds what the
    common misconception would have given; `series` are raw columns; `seed` reproduces the bytes."""

    tool: str
    values: dict[str, Any]
    units: dict[str, str] = Field(default_factory=dict)
    summary: str = ""
    naive: dict[str, Any] = Field(default_factory=dict)
    formula: str = ""
    series: dict[str, list[Any]] = Field(default_factory=dict)
    plot: Plot | None = None
    assumptions: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    seed: int = 0
    args: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A golden: `expected` maps value names to what a run must give, within `rel` or `abs`. A published *measurement*
    is `shown` with its source and never asserted."""

    args: Mapping[str, Any]
    expected: Mapping[str, Any]
    rel: float = 0.0
    abs: float = 0.0
    source: str = ""
    shown: bool = False


@dataclass(frozen=True)
class Ask:
    """A question in plain language that this tool answers, with the value it must give: an evaluation case."""

    question: str
    value: str
    expected: float
    rel: float = 0.01


@dataclass(frozen=True)
class Tool:
    """A calculator, simulator or formula. Calling it runs the plain function; `run` validates first."""

    name: str
    version: int
    group: str
    kind: Kind
    params: type[Params]
    function: Callable[..., Any]
    summary: str
    page: str
    cases: tuple[Case, ...] = ()
    asks: tuple[Ask, ...] = ()
    words: tuple[str, ...] = ()
    measures: bool = False
    unit: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the plain function, without validation; a formula's declared defaults count."""
        if self.kind != "formula":
            return self.function(*args, **kwargs)
        bound = inspect.signature(self.function).bind_partial(*args, **kwargs)
        given = {name: info.get_default(call_default_factory=True, validated_data={})
                 for name, info in self.params.model_fields.items() if not info.is_required()}
        return self.function(**{**given, **bound.arguments})

    def validate(self, args: Mapping[str, Any]) -> Params:
        """Checked parameters. Raises ToolError, one sentence that names the parameter and its range."""
        try:
            return self.params.model_validate(flushed(natural(self.params, args)))
        except ValidationError as error:
            raise ToolError(_one_sentence(self, error)) from None

    def run(self, args: Mapping[str, Any], seed: int = 0) -> ToolResult:
        """Validates and runs. Same arguments and seed, same bytes (unless `measures`)."""
        checked = self.validate(args)
        try:
            result = self._run(checked, seed)
        except ArithmeticError as error:
            if self.kind == "simulator":
                raise  # closed formulas run out of the numbers' range; a simulator that does is broken
            raise ToolError(f"{self.name}: these numbers have no finite result ({error}); take values less extreme.") from error
        if not finite([result.values, result.naive, result.series]):
            raise ToolError(f"{self.name}: these numbers have no finite result; take values less extreme.")
        return result.model_copy(update={"tool": self.id, "seed": seed, "args": checked.model_dump(by_alias=True)})

    def _run(self, checked: Params, seed: int) -> ToolResult:
        if self.kind == "formula":
            given = {name: getattr(checked, name) for name in type(checked).model_fields}
            outcome = self.function(**given)
            extra = type(checked).model_fields["out"].json_schema_extra if "out" in given else None
            if isinstance(extra, dict) and isinstance(labels := extra.get("outputs"), dict):
                outcome = chosen(given["out"], {name: str(label) for name, label in labels.items()}, outcome)
            values = outcome if isinstance(outcome, dict) else {"result": outcome}
            return ToolResult(tool=self.id, values=values, units={"result": self.unit} if self.unit else {},
                              summary=_formula_summary(self, values))
        result: ToolResult = self.function(checked, seed)
        return result


class Executor(Protocol):
    """Where a tool runs. `timeout_s` is a wall-clock bound; what breaks it raises ToolError."""

    def run(self, tool: Tool, args: Mapping[str, Any], seed: int = 0, timeout_s: float = 10.0) -> ToolResult: ...


def tool(
    name: str, *, version: int = 1, group: str, kind: Kind = "calculator", cases: Sequence[Case] = (),
    asks: Sequence[Ask] = (), words: Sequence[str] = (), measures: bool = False, example: Mapping[str, Any] | None = None,
) -> Callable[[Callable[[Any, int], ToolResult]], Tool]:
    """Registers `f(params, seed) -> ToolResult`; its docstring becomes the tool's page. `words` are what a learner says
    when this tool is wanted."""

    def register(function: Callable[[Any, int], ToolResult]) -> Tool:
        hints = get_type_hints(function)
        first = next(iter(inspect.signature(function).parameters))
        page = inspect.getdoc(function) or ""
        return Tool(name, version, group, kind, hints[first], function, page.split("\n")[0], page, tuple(cases),
                    tuple(asks), tuple(words), measures, "", dict(example or {}))

    return register


def formula(
    name: str, *, unit: str = "", version: int = 1, cases: Sequence[Case] = (), asks: Sequence[Ask] = (),
    words: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], Tool]:
    """Registers one closed formula under its dotted name (`avail.series`); parameters come from the signature, each
    `name: type = param(...)`. The value is called `result`, or the function returns a dict of named values.

    >>> @formula("demo.double", cases=[Case({"x": 2}, {"result": 4.0})])
    ... def double(x: float = param(ge=0, le=10)) -> float:
    ...     '''Twice x.'''
    ...     return 2 * x
    >>> double.run({"x": 2}).values
    {'result': 4.0}
    """

    def register(function: Callable[..., Any]) -> Tool:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for field_name, parameter in inspect.signature(function).parameters.items():
            default = parameter.default
            if not isinstance(default, FieldInfo):
                raise TypeError(f"{name}: parameter {field_name} needs param(...)")
            fields[field_name] = (hints[field_name], default)
        model = create_model(re.sub(r"\W", "_", name), __base__=Params, **fields)
        page = inspect.getdoc(function) or ""
        return Tool(name, version, name.split(".")[0], "formula", model, function, page.split("\n")[0], page,
                    tuple(cases), tuple(asks), tuple(words), False, unit)

    return register


def _one_sentence(tool: Tool, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    allowed = _range(tool.params, str(first["loc"][0])) if first["loc"] else ""
    given = repr(first.get("input"))
    given = given if len(given) <= 60 else given[:57] + "..."
    if first["type"] == "extra_forbidden":
        names = ", ".join(info.alias or name for name, info in tool.params.model_fields.items())
        return f"{tool.name} has no parameter {where}; it takes {names}."
    if first["type"] == "missing":
        return f"{tool.name} needs {where}{allowed}."
    return f"{tool.name}: {where} can't be {given}{allowed} ({first['msg']})."


def _range(params: type[Params], name: str) -> str:
    info = next((info for key, info in params.model_fields.items() if name in (key, info.alias)), None)
    if info is None:
        return ""
    low = high = None
    for item in info.metadata:
        low = next((getattr(item, key) for key in ("ge", "gt") if getattr(item, key, None) is not None), low)
        high = next((getattr(item, key) for key in ("le", "lt") if getattr(item, key, None) is not None), high)
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"; it must be at {'most' if low is None else 'least'} {high if low is None else low:g}"
    return f"; it must lie between {low:g} and {high:g}"


def _formula_summary(tool: Tool, values: Mapping[str, Any]) -> str:
    if set(values) == {"result"}:
        return f"{tool.summary.rstrip('.')}: {readable(values['result'])}{' ' + tool.unit if tool.unit else ''}."
    return f"{tool.summary.rstrip('.')}: " + ", ".join(f"{key} = {readable(value)}" for key, value in values.items()) + "."
