"""A report as values: facts, tables, plots and cases, for whichever file shows them.

Rule: everything in it is plain text, and some of it comes from documents and models; each writer escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under their heads; `note` is a sentence below it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value from 0 to 1 with its 95 % interval."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar for each value."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """For each label how many of each kind there are; every label has the same kinds in the same order."""

    title: str
    kinds: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves through points whose x and y go from 0 to 1."""

    title: str
    x: str
    y: str
    lines: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]


Plot = Bars | Stack | Lines


@dataclass(frozen=True, slots=True)
class Case:
    """Something that passes, or fails for the reason `failure`; `said` is what it was about."""

    group: str
    name: str
    failure: str | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. `facts` say what was measured and with what, as name and value."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()
    cases: tuple[Case, ...] = ()
    notes: tuple[str, ...] = ()
