"""Mistakes are counted class by class, by a matrix where it can be read and by lists where it cannot."""

from __future__ import annotations

import re

import numpy as np

from nastk.reports.mistakes_section import confusion, mistakes
from nastk.runs.shown import Answers, Shown


def shown(labels: list[int], predicted: list[int], names: tuple[str, ...]) -> Shown:
    confidence = np.full(len(labels), 0.75, np.float32)
    answers = Answers("model.onnx", np.array(labels), np.array(predicted), confidence, len(labels))
    wrong = np.flatnonzero(answers.labels != answers.predicted)
    pictures = np.zeros((len(wrong), 4, 4, 1), np.uint8)
    counts = tuple(np.bincount(answers.labels, minlength=len(names)).tolist())
    return Shown({}, names, counts, counts, answers, pictures, wrong)


def test_rows_are_what_is_shown_and_columns_what_is_said() -> None:
    assert confusion(np.array([0, 0, 2, 1]), np.array([0, 2, 2, 0]), 3).tolist() == [[1, 0, 1], [1, 0, 0], [0, 0, 1]]


def test_the_section_tells_counts_pairs_and_each_class() -> None:
    html = mistakes(shown([0, 0, 0, 1], [0, 1, 1, 1], ("cat", "dog", "owl")), None)
    assert "names 2 of 4 test images wrong (50.00 % right). Most often it takes cat for dog (2 of 3)." in html
    assert "33.33 % of 3; 95 % interval" in html and ">33.3 %<" in html and "no test image" in html
    assert html.count("<figure>") == 2 and "says dog, 75.0 %" in html and "is cat" in html


def test_names_of_classes_run_nothing() -> None:
    attack = "<img src=x onerror=alert(1)>\"'&"
    html = mistakes(shown([0, 0, 1], [0, 1, 1], (attack, "dog")), None)
    assert "<img src=x" not in html and re.search(r'alt="[^"]*dog[^"]*&lt;img', html)


def test_many_classes_are_lists_of_the_worst() -> None:
    names = tuple(f"class {index}" for index in range(300))
    labels = list(range(300))
    html = mistakes(shown(labels, [1, *labels[1:]], names), None)
    assert 'class="matrix"' not in html and "12 of 300 classes that do worst" in html
    assert '<td class="left">class 0</td><td>1</td><td>0.00</td>' in html


def test_without_answers_it_says_why_or_nothing() -> None:
    assert "Not shown: the images are gone." in mistakes(None, "the images are gone")
    assert mistakes(None, None) == ""
