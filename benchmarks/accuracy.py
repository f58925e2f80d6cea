"""Top-1 of a model on class folders of videos, with its confusions.

Run: python benchmarks/accuracy.py FOLDER [--model NAME|FILE.xml] [--clips N]

A class folder is called as a label of the model, or as a class of `actionzoo data make`.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

from actionzoo.prediction import Failure
from actionzoo.predictor import Predictor
from actionzoo.sources import expand_sources
from actionzoo.synthetic import ACTIONS


def label_of(path: str) -> str:
    """Return the label of the class folder that a video lies in."""
    folder = Path(path).parent.name
    return {action.name: action.label for action in ACTIONS}.get(folder, folder)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson, 1927)."""
    z, share = 1.96, hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return centre - half, centre + half


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--model", default="figures10")
    parser.add_argument("--clips", type=int)
    arguments = parser.parse_args()
    predictor = Predictor(arguments.model, clips=arguments.clips)
    sources = expand_sources([arguments.folder], recursive=True)
    videos = [one for one in sources if isinstance(one, str)]
    seen: Counter[tuple[str, str]] = Counter()
    for outcome in predictor.predict_many(videos):
        if isinstance(outcome, Failure):
            raise SystemExit(f"{outcome.path}: {outcome.error}")
        answer = outcome.top_k(1)[0].label
        seen[label_of(outcome.path), answer] += 1
        if answer != label_of(outcome.path):
            print(f"  {outcome.path}: {answer} {outcome.top_k(1)[0].score:.2f}")
    report(seen, predictor)


def report(seen: Counter[tuple[str, str]], predictor: Predictor) -> None:
    """Print the share of right answers, with its interval, and each class's."""
    count = sum(seen.values())
    hits = sum(number for (label, answer), number in seen.items() if label == answer)
    low, high = wilson(hits, count)
    views = predictor.views
    print(
        f"{predictor.spec.name}, {views.clips} clips x {views.crops} crops: "
        f"top-1 {hits / count:.1%} ({hits} of {count}; 95 % interval {low:.1%} to {high:.1%})"
    )
    for label in predictor.spec.labels:
        answers = Counter({answer: n for (true, answer), n in seen.items() if true == label})
        wrong = ", ".join(f"{answer} {n}" for answer, n in answers.most_common() if answer != label)
        print(f"  {label:18}{answers[label]:4} of {answers.total():<4} {wrong}")


if __name__ == "__main__":
    main()
