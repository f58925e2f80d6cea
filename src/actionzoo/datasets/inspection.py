"""Look at every video of a dataset, with all cores and whatever the files do to a decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from pathlib import Path

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.video.isolation import Lost, run_isolated
from actionzoo.video.probing import Fault, Inspection, Look, inspect_video

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

# A decoder that makes no more than this of a file is taken to hang.
_LEAST_SECONDS = 60.0
_SLOWEST_BYTES_PER_SECOND = 100_000

_LOST = {
    "crashed": "the decoder crashed on it",
    "hung": "the decoder did not come to an end with it",
}


def files_of(dataset: VideoDataset) -> list[str]:
    """Return the different paths of a dataset, in the order of their first samples."""
    return list(dict.fromkeys(dataset.paths()))


def inspect(
    dataset: VideoDataset,
    *,
    deep: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Inspection]:
    """Look at every video of a dataset.

    The videos are opened in processes of their own: one on which a decoder crashes or hangs is
    named, and all others are looked at.

    Args:
        dataset: Samples of one file are looked at once.
        deep: Whether everything is decoded, rather than the beginning.
        processes: How many work at a time; by default one a core.
        progress: Told after each video.

    Returns:
        One a file, in the order of ``files_of``, which also gives their paths.
    """
    told = zip(dataset.paths(), dataset.column("num_frames"), strict=True)
    counted = {path for path, number in told if number is not None}
    return inspect_files(
        dataset,
        files_of(dataset),
        deep=deep,
        counted=counted,
        processes=processes,
        progress=progress,
    )


def inspect_files(
    dataset: VideoDataset,
    paths: Sequence[str],
    *,
    deep: bool,
    counted: Set[str] = frozenset(),
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Inspection]:
    """Look at some of the videos of a dataset, in the order of ``paths``.

    Args:
        dataset: Tells where they are, and the frame rate of its folders of pictures.
        paths: As the dataset tells them.
        deep: Whether everything is decoded.
        counted: Those whose frames have to be counted.
        processes: How many work at a time; by default one a core.
        progress: Told after each video.
    """
    root, rates = dataset.root, dict(zip(dataset.paths(), dataset.frame_rates(), strict=True))
    looks = [
        Look(path=str(root / path), deep=deep, fps=rates[path], count=path in counted)
        for path in paths
    ]
    found = [Inspection(path=path) for path in paths]
    answers = run_isolated(inspect_video, looks, processes=processes, seconds=_seconds)
    for done, (place, answer) in enumerate(answers, 1):
        if isinstance(answer, Lost):
            fault = Fault(kind=answer.reason, message=_LOST[answer.reason])
            answer = Inspection(path=paths[place], faults=(fault,))
        found[place] = replace(answer, path=paths[place])
        if progress is not None:
            progress(done, len(paths))
    return found


def _seconds(look: Look) -> float:
    """Tell how long a look may take."""
    try:
        size = Path(look.path).stat().st_size
    except (OSError, ValueError):
        size = 0
    return _LEAST_SECONDS + size / _SLOWEST_BYTES_PER_SECOND
