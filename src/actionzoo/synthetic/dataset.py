"""Folders of clips: the same ones from the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np

from actionzoo.errors import ConfigError
from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.scene import Style, draw_clip
from actionzoo.video import write_video
from actionzoo.video.isolation import Lost, run_isolated

STYLES: tuple[Style, ...] = ("silhouette", "plain", "silhouette", "textured")
"""Styles of the clips of a dataset, in turn: half silhouettes, a quarter on plain backgrounds, a
quarter on textured ones."""

_SIZES = (
    (120, 160),
    (128, 160),
    (144, 176),
    (144, 180),
    (96, 128),
    (108, 192),
    (120, 214),
    (160, 128),
    (176, 144),
)
_RATES = (Fraction(25), Fraction(25), Fraction(25), Fraction(30))


def make_dataset(
    folder: Path,
    *,
    clips_per_class: int = 20,
    seed: int = 0,
    styles: Sequence[Style] = STYLES,
    suffix: str = ".mp4",
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write clips of every action into class folders: ``folder/walk/silhouette_0_00000.mp4``.

    The name of a clip is its style, the seed and its number; it decides the pixels. Clips that are
    there already are kept, so a run that was interrupted goes on where it stopped, and another seed
    adds other clips.

    Args:
        folder: Made where it is missing.
        clips_per_class: How many of each of the ten actions.
        seed: At least 0.
        styles: The styles of the clips of a class, in turn.
        suffix: Of the files, one that ``write_video`` knows.
        processes: How many draw at a time; by default one a core.
        progress: Called after each new clip with how many are there and how many there will be.

    Raises:
        ConfigError: An argument is out of range, or the folder cannot be written.
    """
    _check_dataset(clips_per_class=clips_per_class, seed=seed, styles=styles, processes=processes)
    jobs = [
        _Job(
            folder=folder,
            action=action,
            index=index,
            seed=seed,
            style=styles[index % len(styles)],
            suffix=suffix,
        )
        for index in range(clips_per_class)
        for action in range(len(ACTIONS))
    ]
    try:
        for action in ACTIONS:
            (folder / action.name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {str(error.filename)!r} ({error.strerror}); "
            "give one that can be written"
        ) from error
    wanted = [job for job in jobs if not job.path.exists()]
    there = len(jobs) - len(wanted)
    for done, _ in enumerate(_write_all(wanted, processes), there + 1):
        if progress is not None:
            progress(done, len(jobs))


def _check_dataset(
    *, clips_per_class: int, seed: int, styles: Sequence[str], processes: int | None
) -> None:
    for name, value, least in (
        ("clips_per_class", clips_per_class, 1),
        ("seed", seed, 0),
        ("processes", processes, 1),
    ):
        if value is not None and value < least:
            raise ConfigError(f"{name} is {value}; give at least {least}")
    known = ", ".join(get_args(Style))
    if not styles:
        raise ConfigError(f"no style was given; give one or more of {known}")
    for style in styles:
        if style not in get_args(Style):
            raise ConfigError(f"style {style!r} is unknown; give one or more of {known}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One clip to be written."""

    folder: Path
    action: int
    index: int
    seed: int
    style: Style
    suffix: str

    @property
    def path(self) -> Path:
        name = f"{self.style}_{self.seed}_{self.index:05d}{self.suffix}"
        return self.folder / ACTIONS[self.action].name / name


def _write_all(jobs: list[_Job], processes: int | None) -> Iterator[None]:
    """Do the jobs, in this process or in several; an interruption leaves only whole files."""
    if processes == 1 or len(jobs) < 2:
        yield from map(_write_job, jobs)
        return
    for row, answer in run_isolated(_write_job, jobs, processes=processes):
        if isinstance(answer, Lost):
            raise RuntimeError(f"the process that drew {str(jobs[row].path)!r} {answer.reason}")
        yield


def _write_job(job: _Job) -> None:
    rng = np.random.default_rng([job.seed, job.action, job.index])
    fps, (height, width) = _RATES[rng.integers(len(_RATES))], _SIZES[rng.integers(len(_SIZES))]
    frames = draw_clip(
        ACTIONS[job.action],
        rng=rng,
        seconds=rng.uniform(1.4, 4.0),
        fps=fps,
        height=height,
        width=width,
        style=job.style,
    )
    write_video(job.path, frames, fps=fps)
