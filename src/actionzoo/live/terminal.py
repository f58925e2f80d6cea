"""The view in a terminal: what is seen now, with bars, what changed, and the figures."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.align import Align
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from actionzoo.live.scene import Change, Moment
from actionzoo.live.views import View
from actionzoo.live.wording import clock_text, figures_text, printable

_NARROW, _LOW = 40, 18
"""Columns of a terminal that leave no room for bars, and lines that leave none for a frame."""


class Terminal(View):
    """Fills a terminal, and gives it back as it was.

    Args:
        console: Of the terminal.
        source: What is watched, for people.
        model: By name.
        top_k: Labels with bars.
    """

    def __init__(self, console: Console, *, source: str, model: str, top_k: int) -> None:
        self._console = console
        self._source, self._model, self._top_k = printable(source), model, top_k
        # An own screen: nothing scrolls, and a terminal that changes its size is drawn anew.
        self._live = Live(self._picture(Moment()), console=console, screen=True, auto_refresh=False)
        self._live.start(refresh=True)

    def refresh(self, moment: Moment) -> None:
        """Draw what there is now."""
        self._live.update(self._picture(moment), refresh=True)

    def close(self, summary: str) -> None:
        """Leave the screen, and print the summary where one was before."""
        self._live.stop()
        self._console.print(Text(summary), soft_wrap=True)

    def _picture(self, moment: Moment) -> Picture:
        return Picture(moment, source=self._source, model=self._model, top_k=self._top_k)


@dataclass(frozen=True)
class Picture:
    """A moment, as large as the terminal is."""

    moment: Moment
    source: str
    model: str
    top_k: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw what is needed, and of the history what there is room for."""
        height, width = options.height or console.height, options.max_width
        fixed = [self._head(), self._label(small=height < _LOW), *self._bars(width)]
        notices = self._notices(3)
        foot = self._foot()
        taken = sum(_lines(console, options, part) for part in (*fixed, *notices, foot))
        history = self._history(height - taken - 1)
        space = height - taken - len(history) - (1 if history else 0)
        yield Group(*fixed, *([Text()] if history else []), *history, *[Text()] * space)
        yield Group(*notices, foot)

    def _head(self) -> RenderableType:
        table = Table.grid(expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        answer = self.moment.answer
        clock = "" if answer is None else clock_text(answer.end_seconds)
        said = Text.assemble((self.source, "bold"), (f"  {self.model}", "dim"))
        table.add_row(said, Text(clock, style="bold"))
        return table

    def _label(self, *, small: bool) -> RenderableType:
        """Return the shown label, as large as a terminal can."""
        answer = self.moment.answer
        if answer is None:
            text, style = Text("Preparing...", style="dim"), "dim"
        else:
            score = f"  {answer.shown.score:.0%}"
            said = (printable(answer.shown.label).upper(), "bold")
            text, style = Text.assemble(said, (score, "bold green")), "green"
        _line(text)
        if small:
            return text
        return Panel(Align.center(text), box=box.ROUNDED, border_style=style, padding=(1, 2))

    def _bars(self, width: int) -> list[RenderableType]:
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
        table.add_column(width=5, justify="right", no_wrap=True)
        if width > _NARROW:
            table.add_column(ratio=3)
        answer = self.moment.answer
        for one in self.moment.top(self.top_k):
            shown = answer is not None and one.class_index == answer.shown.class_index
            style = "green" if shown else "cyan"
            bar = ProgressBar(total=1, completed=one.score, complete_style=style)
            bar.finished_style = style
            row = (
                Text(printable(one.label), style="bold" if shown else ""),
                Text(f"{one.score:.0%}"),
                bar,
            )
            table.add_row(*row[: len(table.columns)])
        return [table] if table.row_count else []

    def _history(self, room: int) -> list[RenderableType]:
        """Return the last changes, newest first."""
        last = self.moment.changes[::-1][: max(0, room)]
        return [_line(_change_text(change)) for change in last]

    def _notices(self, most: int) -> list[RenderableType]:
        return [_line(Text(f"! {text}", style="yellow")) for text in self.moment.notices[-most:]]

    def _foot(self) -> RenderableType:
        figures = "" if self.moment.figures is None else figures_text(self.moment.figures)
        return Text(f"{figures} · Ctrl-C ends".removeprefix(" · "), style="dim")


def _change_text(change: Change) -> Text:
    shown = change.shown
    return Text.assemble(
        (f"{clock_text(change.seconds):>9}  ", "dim"),
        printable(shown.label),
        (f"  {shown.score:.0%}", "dim"),
    )


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _lines(console: Console, options: ConsoleOptions, part: RenderableType) -> int:
    return len(console.render_lines(part, options.update(height=None), pad=False))
