"""The century of a song from its sound: logistic regression by minibatches, and what layers add.

After the sheet "Music Century Classification", all parts of both questions, on the data set YearPredictionMSD or on
synthetic songs like it. Learned: what a split must respect, how a gradient is checked, what rate and batch do to
descent, and how much of a difference between accuracies is chance.
"""

from __future__ import annotations

from ..article import Article
from ..setting import Setting
from . import descent, gradient, grid, judgement, producer_effect, question_1
from .songs import load, split

TITLE = "Music century classification"


def run(setting: Setting) -> Article:
    """Answer all parts of the sheet, then train networks."""
    article = Article(setting, TITLE)
    data = load(setting)
    songs = split(data, setting.rng("split"))  # first, as it finds out whether there are songs enough
    article.section("Question 1: data")
    question_1.describe(article, setting, data)
    producer_effect.report(article, setting)
    question_1.standardisation(article, setting, data, songs)
    question_1.validation(article, setting, songs)
    data_split, test_artists = data.split, None if data.artist is None else data.artist[data.test]
    del data  # of a file, its mapping

    article.section("Question 2: classification")
    gradient.report(article, setting, songs)
    descent.report(article, setting, songs)
    found = grid.report(article, setting, songs)
    judgement.report(article, setting, songs, found, data_split, test_artists)
    return article
