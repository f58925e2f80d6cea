"""Which class is taken for which, as a table whose cells are shaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionzoo.pages.frame import Html, count_of, escaped, percent

MOST_CLASSES = 40
"""As many classes are shown whole."""
_MOST_CONFUSED = 30
"""Of more classes, as many are shown."""
_MOST_WITH_NUMBERS = 15
_MOST_ACROSS = 6
"""As many names of columns are written from left to right."""
_SHADES = 10


def confusion_table(counts: np.ndarray, labels: Sequence[str]) -> Html:
    """Draw how many videos of each class were given each answer.

    Rows are shaded by the share of their videos. Of more than 40 classes those are shown that are
    most often taken for each other; answers outside of them are counted in a last column.

    Args:
        counts: Videos by class and answer, shape (K, K), whole numbers.
        labels: K class names.
    """
    chosen = _chosen(counts)
    if not len(chosen):
        return Html('<p class="more">no video to count</p>')
    names = [labels[one] for one in chosen]
    part = counts[np.ix_(chosen, chosen)]
    totals = counts[chosen].sum(axis=1)
    others = totals - part.sum(axis=1)
    rows = "".join(
        _row(place, part[place], int(totals[place]), int(others[place]), names, bool(others.any()))
        for place in range(len(chosen))
    )
    return Html(
        f"{_told(len(chosen), len(labels))}"
        f'<div class="scroll"><table class="matrix{_kind(len(chosen))}">'
        f"{_head(names, bool(others.any()))}<tbody>{rows}</tbody></table></div>"
    )


def _chosen(counts: np.ndarray) -> np.ndarray:
    """Return the class indices to show, in their order."""
    if len(counts) <= MOST_CLASSES:
        return np.arange(len(counts))
    seen = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if len(seen) <= MOST_CLASSES:
        return seen
    wrong = counts - np.diag(np.diagonal(counts))
    pairs = np.argsort(-wrong, axis=None, kind="stable")[: _MOST_CONFUSED**2]
    both = np.stack(np.unravel_index(pairs, counts.shape), axis=1).ravel()
    first = np.sort(np.unique(both, return_index=True)[1])[:_MOST_CONFUSED]
    return np.sort(both[first])


def _told(shown: int, count: int) -> str:
    if shown == count:
        return ""
    which = f"The {shown} most confused" if shown == _MOST_CONFUSED else f"The {shown} seen"
    return f'<p class="more">{which} of {count_of(count, "class", "classes")}</p>'


def _kind(count: int) -> str:
    return (" across" if count <= _MOST_ACROSS else "") + (
        "" if count <= _MOST_WITH_NUMBERS else " small"
    )


def _head(names: Sequence[str], has_others: bool) -> str:
    columns = [*names, "(others)"] if has_others else names
    cells = "".join(
        f'<th scope="col" title="{escaped(name)}"><span>{escaped(name)}</span></th>'
        for name in columns
    )
    corner = '<th class="corner">label <b>↓</b> answer <b>→</b></th>'
    return f'<thead><tr>{corner}{cells}<th scope="col"><span>videos</span></th></tr></thead>'


def _row(
    place: int, row: np.ndarray, total: int, others: int, names: Sequence[str], has_others: bool
) -> str:
    numbers = len(names) <= _MOST_WITH_NUMBERS
    own = escaped(names[place])
    cells = [
        _cell(int(count), total, f"{own} → {escaped(name)}", right=name_at == place, told=numbers)
        for name_at, (count, name) in enumerate(zip(row, names, strict=True))
    ]
    if has_others:
        cells.append(_cell(others, total, f"{own} → (others)", right=False, told=True))
    return (
        f'<tr><th scope="row" title="{own}">{own}</th>{"".join(cells)}'
        f'<td class="sum">{total:,}</td></tr>\n'
    )


def _cell(count: int, total: int, title: str, *, right: bool, told: bool) -> str:
    if not count:
        return '<td class="hit"></td>' if right else "<td></td>"
    share = count / total
    kind = f"{'hit' if right else 'miss'} h{max(1, round(_SHADES * share))}"
    text = f"{count:,}" if told else ""
    return (
        f'<td class="{kind}" title="{title}: {count:,} of {total:,} ({percent(share)})">{text}</td>'
    )
