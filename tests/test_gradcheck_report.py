"""The report of a gradient check: its verdict, its table, its JSON, its HTML and its plot."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from tinygrad_ml.gradcheck.numeric import Rung, Slope
from tinygrad_ml.gradcheck.report import Report, Row, Verdict, Worst

ROOT = Path(__file__).parents[1]
WITNESSES = ("analytic", "engine", "complex step", "finite differences")
#: From the most to the least serious, KINK both with a gradient outside the subdifferential and inside it.
SERIOUSNESS = (
    ("FAIL", False),
    ("NONFINITE", False),
    ("JUMP", False),
    ("CUSP", False),
    ("KINK", False),
    ("INCONCLUSIVE", False),
    ("KINK", True),
    ("PASS", False),
)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    with matplotlib.rc_context({"backend": "agg"}):
        yield
        plt = sys.modules.get("matplotlib.pyplot")
        if plt is not None:
            plt.close("all")


def row(name: str = "w", verdict: str = "PASS", shape: tuple[int, ...] = (3,), **more: Any) -> Row:
    return Row(name, shape, "float64", Verdict(verdict), **more)


def report(*rows: Row, **more: Any) -> Report:
    return Report("gradient of loss", list(rows), seed=1234, **more)


def sine_ladder() -> Slope:
    """Central differences of the sine at 1, whose error is step**2 / 6 * cos(1) to first order."""
    steps = [2.0**-3 * 4.0**-k for k in range(8)]
    rungs = [Rung(h, (math.sin(1 + h) - math.sin(1 - h)) / (2 * h), 2.0**-53 / h) for h in steps]
    return Slope(value=math.cos(1), bound=1e-13, step=steps[3], rungs=tuple(rungs))


def traced(name: str, verdict: str = "PASS", **more: Any) -> Row:
    """A row that tells how finite differences alone came to it."""
    ladder = sine_ladder()
    return row(name, verdict, trace=ladder, witnesses={"finite differences": ladder.value}, **more)


class TestVerdict:
    def test_compares_equal_to_its_name(self):
        assert all(verdict == verdict.name and str(verdict) == verdict.name for verdict in Verdict)
        assert [str(v) for v in Verdict] == ["PASS", "FAIL", "KINK", "CUSP", "JUMP", "NONFINITE", "INCONCLUSIVE"]

    @pytest.mark.parametrize("serious, harmless", list(pairwise(SERIOUSNESS)), ids=str)
    def test_of_a_report_is_the_most_serious_of_its_rows(self, serious, harmless):
        rows = [row(verdict=verdict, inside=inside) for verdict, inside in (harmless, serious, harmless)]
        assert report(*rows).verdict == serious[0]
        assert report(*rows).ok == (serious == ("KINK", True))

    @pytest.mark.parametrize("verdict, inside", SERIOUSNESS)
    def test_only_a_right_gradient_and_a_subgradient_are_ok(self, verdict, inside):
        assert row(verdict=verdict, inside=inside).ok == (verdict == "PASS" or inside)

    @pytest.mark.parametrize("verdict", [v for v in Verdict if v not in ("PASS", "KINK")])
    def test_inside_means_nothing_away_from_a_kink(self, verdict):
        assert not row(verdict=verdict, inside=True).ok

    def test_nothing_checked_is_not_ok(self):
        empty = report()
        assert empty.verdict == "INCONCLUSIVE" and not empty.ok and empty.evaluations == 0
        assert "INCONCLUSIVE, nothing was checked" in str(empty)


class TestDigits:
    @pytest.mark.parametrize(
        "a, b, scale, expected",
        [
            (1.0, 1.001, 1.0, 3.0),
            (1.0, 1.001, 1000.0, 6.0),
            (5.0, 5.0, math.nan, 16.0),
            (0.0, 0.0, math.nan, 16.0),
            (0.0, 0.0, 0.0, 16.0),
            (1.0, 1.0 + 1e-15, 1e10, 16.0),
            (1.0, -1.0, 1.0, 0.0),
            (1.0, 2.0, 1e-9, 0.0),
            (1e-300, 1.01e-300, math.nan, math.log10(101)),
            (1.0, 2.0, 0.0, 0.0),
            (9.0, 10.0, math.nan, 1.0),
            (1e308, -1e308, math.nan, 0.0),
            (math.nan, 1.0, 1.0, math.nan),
            (math.inf, math.inf, 1.0, math.nan),
            (math.inf, 1.0, 1.0, math.nan),
        ],
    )
    def test_to_which_two_witnesses_agree(self, a, b, scale, expected):
        judged = row(witnesses={"analytic": a, "engine": b}, scale=scale)
        for names in (("analytic", "engine"), ("engine", "analytic")):
            assert judged.digits(*names) == pytest.approx(expected, abs=1e-6, nan_ok=True)

    def test_a_witness_that_is_missing_is_named(self):
        with pytest.raises(ValueError, match=r"digits: w has no witness 'engine'; it has 'analytic'"):
            row(witnesses={"analytic": 1.0}).digits("analytic", "engine")


class TestText:
    def test_a_right_gradient(self):
        rows = [row("weight", shape=(4, 3), resolution=3e-12, evaluations=46), row("b", shape=(), resolution=1e-9)]
        assert str(report(*rows)).splitlines() == [
            "gradient of loss: PASS, verified to 1e-9",
            "",
            "verdict  parameter  shape   dtype    verified to  evaluations",
            "PASS     weight     (4, 3)  float64        3e-12           46",
            "PASS     b          ()      float64         1e-9            0",
            "",
            "seed 1234 (rng=1234 repeats this check), 46 evaluations",
        ]

    def test_a_wrong_one(self):
        wrong = row("w", "FAIL", (4, 3), reason="they differ", resolution=1e-9, worst=Worst((3, 2), 1.5, 2.5))
        lines = str(
            report(wrong, row("b"), culprits=["matmul at model.py:3\nits rule is off"], notes=["dropout frozen"])
        )
        assert lines.splitlines() == [
            "gradient of loss: FAIL in 1 of 2 parameters",
            "",
            "verdict  parameter  shape   dtype    verified to  evaluations",
            "FAIL     w          (4, 3)  float64            -            0",
            "PASS     b          (3,)    float64            -            0",
            "",
            "  w: they differ",
            "  w[3, 2]: gradient 1.5, expected 2.5",
            "  matmul at model.py:3",
            "  its rule is off",
            "  dropout frozen",
            "",
            "seed 1234 (rng=1234 repeats this check), 0 evaluations",
        ]

    def test_two_orders(self):
        lines = str(report(row("x"), row("x", "FAIL", (), order=2, worst=Worst((), 1.0, 2.0)))).splitlines()
        assert lines[0] == "gradient of loss: FAIL"
        assert lines[2].split()[:3] == ["verdict", "parameter", "order"]
        assert [line.split()[2] for line in lines[3:5]] == ["1", "2"]
        assert "  x (order 2): gradient 1, expected 2" in lines

    def test_only_rows_of_the_verdict_are_counted(self):
        rows = [row("a", "FAIL"), row("b", "KINK"), row("c"), row("d", "FAIL"), row("d", "FAIL", order=2)]
        assert str(report(*rows)).startswith("gradient of loss: FAIL in 2 of 4 parameters\n")

    def test_a_subgradient_is_said_to_be_one(self):
        kink = row(verdict="KINK", inside=True, resolution=1e-9, reason="slopes -1 and 1")
        assert str(report(kink, row())).startswith("gradient of loss: KINK (a subgradient), verified to 1e-9\n")
        assert "  w: slopes -1 and 1\n" in str(report(kink, row()))

    def test_columns_are_aligned(self, rng):
        rows = [
            row("x" * int(n), verdict, (10,) * int(d), evaluations=int(10.0 ** rng.uniform(0, 6)), resolution=1e-9)
            for verdict, n, d in zip(Verdict, rng.integers(1, 40, 7), rng.integers(0, 6, 7), strict=True)
        ]
        lines = str(report(*rows)).splitlines()[2:10]
        heading = lines[0]
        for title in ("parameter", "shape", "dtype"):
            at = heading.index(title)
            assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)
        for title in ("verified to", "evaluations"):
            end = heading.index(title) + len(title)
            assert all(line[end - 1] != " " and line[end : end + 1] in ("", " ") for line in lines)

    def test_three_witnesses_show_their_digits_for_each_pair(self):
        values = dict(zip(WITNESSES, (1.0, 1.001, 1.0, 1.00001), strict=True))
        rows = [row("w", witnesses=values, scale=1.0), row("b", witnesses={"analytic": 1.0, "engine": math.nan})]
        caption, above, below, w, b = str(report(*rows)).splitlines()[2:7]
        assert caption.strip("- ") == "digits of agreement"
        pairs = list(combinations(("analytic", "engine", "complex", "finite"), 2))
        assert above.split() == [first for first, _ in pairs]
        assert below.split()[-6:] == ["~" + second for _, second in pairs]
        assert w.split()[-6:] == ["3.0", "16.0", "5.0", "3.0", "3.0", "5.0"]
        assert b.split()[-6:] == ["-"] * 6
        assert len({len(line) for line in (caption, above, below, w, b)}) == 1

    def test_digits_stand_from_three_witnesses_on(self):
        lines = str(report(row(witnesses=dict.fromkeys(WITNESSES[:3], 1.0)), row("b"))).splitlines()
        assert lines[5].split()[-3:] == ["16.0"] * 3 and lines[6].split()[-3:] == ["-"] * 3

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_up_to_two_witnesses_need_no_digits(self, count):
        assert "~" not in str(report(row(witnesses=dict.fromkeys(WITNESSES[:count], 1.0))))

    @pytest.mark.parametrize(
        "given, expected, printed",
        [
            (1.5, 2.5, "gradient 1.5, expected 2.5"),
            (1.0, 1.0 + 1e-9, "gradient 1.000000000, expected 1.000000001"),
            (math.nan, 2.0, "gradient nan, expected 2"),
            (-1e-20, 1e20, "gradient -1e-20, expected 1e+20"),
        ],
    )
    def test_worst_elements_are_printed_so_that_they_differ(self, given, expected, printed):
        assert f"w[1]: {printed.replace('.000000000', '')}" in str(report(row(worst=Worst((1,), given, expected))))

    @pytest.mark.parametrize(
        "resolution, printed",
        [(3e-12, "3e-12"), (3.1e-12, "4e-12"), (9.7e-13, "1e-12"), (0.0051, "6e-3"), (1e-2, "1e-2"), (0.0, "0")],
    )
    def test_no_more_is_claimed_than_was_reached(self, resolution, printed):
        assert f"verified to {printed}\n" in str(report(row(resolution=np.float64(resolution))))

    def test_evaluations_of_several_rows_together(self):
        assert str(report(row(evaluations=20), row("b", evaluations=20), evaluations=25)).endswith(", 25 evaluations")

    def test_repr_is_one_line(self):
        assert repr(report(row(resolution=2e-10))) == "<Report gradient of loss: PASS, verified to 2e-10; seed 1234>"


class TestDict:
    def test_is_json(self):
        full = row(
            shape=(np.int64(3),),
            resolution=np.float64(1e-9),
            evaluations=np.int64(7),
            witnesses={"analytic": np.float32(0.5), "engine": math.inf, "complex step": 0.25},
            worst=Worst((np.int64(2),), math.nan, 1.0),
            trace=sine_ladder(),
            inside=np.bool_(True),
        )
        given = report(full, row("b", "FAIL"), culprits=[ValueError("a culprit")], notes=["a note"]).to_dict()
        read = json.loads(json.dumps(given, allow_nan=False))
        assert read == given
        assert {key: read[key] for key in ("title", "verdict", "ok", "seed", "evaluations", "culprits", "notes")} == {
            "title": "gradient of loss",
            "verdict": "FAIL",
            "ok": False,
            "seed": 1234,
            "evaluations": 7,
            "culprits": ["a culprit"],
            "notes": ["a note"],
        }
        first = read["rows"][0]
        assert first["verdict"] == "PASS" and first["ok"] is True and first["inside"] is True
        assert first["shape"] == [3] and first["resolution"] == 1e-9
        assert first["witnesses"] == {"analytic": 0.5, "engine": None, "complex step": 0.25}
        assert first["digits"]["analytic~complex step"] == pytest.approx(math.log10(2))
        assert first["digits"]["analytic~engine"] is None and first["bound"] is None
        assert first["worst"] == {"index": [2], "given": None, "expected": 1.0}
        assert len(first["trace"]["rungs"]) == 8 and first["trace"]["rungs"][0]["step"] == 0.125
        assert read["rows"][1]["trace"] is None and read["rows"][1]["digits"] == {}


class Page(HTMLParser):
    """Reads tags, cells and styles, and fails on what is not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.badges: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "b":
            self.badges.append(dict(attributes)["style"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def luminance(colour: str) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines 2.1 define it."""
    digits = colour.lstrip("#")
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestHtml:
    def test_holds_what_the_text_holds(self):
        values = dict.fromkeys(WITNESSES, 1.0)
        given = report(
            row("w", witnesses=values, resolution=1e-9),
            row("b", "FAIL", (), reason="wrong", witnesses=values, worst=Worst((), 1.0, 2.0)),
            culprits=["exp"],
            notes=["note"],
        )
        page, text = Page(given._repr_html_()), str(given)
        lines = text.splitlines()
        assert page.rows[1][:3] == ["verdict", "parameter", "shape"] and page.rows[1][6] == "analytic~engine"
        assert page.rows[2] == re.split(r"  +", lines[5]) and page.rows[3] == re.split(r"  +", lines[6])
        for line in (lines[0], *lines[8:12], lines[-1]):
            assert line.strip() in page.text
        assert not page.tags & {"script", "style", "link", "img"}

    def test_escapes_names_and_messages(self):
        evil = "<script>alert('&')</script>"
        given = Report(evil, [row(evil, "FAIL", reason=evil)], 1, culprits=[evil], notes=[evil])
        page = Page(given._repr_html_())
        assert page.text.count(evil) == 6 and "script" not in page.tags

    @pytest.mark.parametrize("verdict, inside", SERIOUSNESS)
    def test_badges_can_be_read_on_light_and_dark_pages(self, verdict, inside):
        page = Page(report(row(verdict=verdict, inside=inside))._repr_html_())
        assert len(page.badges) == 2
        for style in page.badges:
            found = re.search(r"background:(#\w{6});color:#fff", style)
            assert found is not None
            back = luminance(found[1])
            assert 1.05 / (back + 0.05) >= 4.5, "white letters on the badge"
            assert (back + 0.05) / (luminance("#111111") + 0.05) >= 2, "the badge on a dark page"

    def test_green_is_for_what_is_ok(self):
        green = [Page(report(row(verdict=v, inside=i))._repr_html_()).badges[0] for v, i in SERIOUSNESS]
        assert green[-1] == green[-2] and green[-1] not in green[:-2]

    def test_nothing_checked(self):
        assert "nothing was checked" in Page(report()._repr_html_()).text


class TestPlot:
    def test_shows_error_against_step(self):
        ladder = sine_ladder()
        given = report(row("w", witnesses={"analytic": 0.5, "finite differences": ladder.value}, trace=ladder))
        axes = given.plot()
        lines = {line.get_label(): line for line in axes.get_lines()}
        errors, noise, step, bound, analytic = lines.values()
        assert axes.get_xscale() == axes.get_yscale() == "log"
        steps = 2.0**-3 * 4.0 ** -np.arange(8.0)
        np.testing.assert_array_equal(errors.get_xdata(), steps)
        # The error of a central difference of the sine is cos(1) step**2 / 6, up to the next power and rounding.
        np.testing.assert_allclose(errors.get_ydata()[:5], (steps**2 * math.cos(1) / 6)[:5], rtol=1e-3)
        np.testing.assert_allclose(noise.get_ydata(), 2.0**-53 / steps)
        assert set(step.get_xdata()) == {ladder.step} and set(bound.get_ydata()) == {1e-13}
        assert set(analytic.get_ydata()) == {math.cos(1) - 0.5}
        assert analytic.get_label() == "analytic: 4.0e-02 away"
        assert axes.get_xlabel() == "step" and axes.get_title() == "w: PASS"
        assert {text.get_text() for text in axes.get_legend().get_texts()} == set(lines)

    @pytest.mark.parametrize("noise, height", [(0.0, 2.0**-52), (1e-15, 1e-15)])
    def test_what_is_exactly_right_stands_with_the_lowest(self, noise, height):
        exact = Slope(2.0, 0.0, 0.1, rungs=(Rung(0.1, 2.0, noise), Rung(0.01, 2.0, noise)))
        witnesses = {"engine": 2.0, "complex step": math.nan, "finite differences": 2.0}
        axes = report(row(trace=exact, witnesses=witnesses)).plot()
        heights = [line.get_ydata() for line in axes.get_lines() if len(set(line.get_xdata())) > 1]
        assert len(heights) == 4 and all(set(found) == {height} for found in heights)

    @pytest.mark.parametrize("differences", [{}, {"finite differences": 0.5}])
    def test_witnesses_of_another_direction_are_left_out(self, differences):
        axes = report(row("b", witnesses={"engine": 0.5, **differences}, trace=sine_ladder())).plot()
        assert axes.get_title() == "b, moved with the others: PASS"
        assert not any("engine" in line.get_label() for line in axes.get_lines())

    def test_the_legend_covers_no_point(self):
        axes = report(row("w", witnesses=dict.fromkeys(WITNESSES, math.cos(1)), trace=sine_ladder())).plot()
        axes.figure.canvas.draw()
        box = axes.get_legend().get_window_extent()
        points = axes.transData.transform(axes.get_lines()[0].get_xydata())
        assert not any(box.contains(x, y) for x, y in points)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_where_nothing_was_extrapolated_shows_the_differences(self, value):
        jump = Slope(value=value, rungs=(Rung(0.1, 10.0, 1e-15), Rung(0.01, 100.0, 1e-14), Rung(0.001, -1e3, 1e-13)))
        axes = report(row(verdict="JUMP", trace=jump, witnesses={"engine": 0.0})).plot()
        errors, noise = axes.get_lines()
        assert (axes.get_title(), axes.get_ylabel()) == ("w: JUMP", "directional derivative")
        assert errors.get_label() == "|central difference|" and list(errors.get_ydata()) == [10.0, 100.0, 1000.0]
        assert list(noise.get_ydata()) == [1e-15, 1e-14, 1e-13]

    def test_draws_where_it_is_told(self):
        from matplotlib.figure import Figure

        axes = Figure().add_subplot()
        assert report(row(trace=sine_ladder())).plot(ax=axes) is axes

    @pytest.mark.parametrize(
        "wanted, title",
        [
            (None, "b: FAIL"),
            ("a", "a: PASS"),
            (np.int64(0), "a: PASS"),
            (-2, "b: FAIL"),
            ("b", "b: FAIL"),
            (3, "a: JUMP"),
        ],
    )
    def test_chooses_a_row(self, wanted, title):
        rows = [traced("a"), row("c", "FAIL"), traced("b", "FAIL"), traced("a", "JUMP")]
        if wanted == "a":
            del rows[3]
        assert report(*rows).plot(wanted).get_title() == title

    @pytest.mark.parametrize("verdicts", list(product(["PASS", "CUSP"], repeat=2)))
    def test_of_two_rows_with_one_name_shows_the_more_serious(self, verdicts):
        given = report(*[traced("x", v, order=i + 1) for i, v in enumerate(verdicts)])
        assert given.plot("x").get_title() == f"x: {given.verdict}"

    def test_of_several_right_gradients_the_least_resolved_is_shown(self):
        rows = [traced(name, resolution=reached) for name, reached in zip("abc", (1e-9, 1e-6, 1e-12), strict=True)]
        assert report(*rows).plot().get_title() == "b: PASS"

    def test_a_ladder_without_rungs_is_nothing_to_show(self):
        with pytest.raises(ValueError, match=r"row 'w' has no trace"):
            report(row(trace=Slope())).plot("w")

    @pytest.mark.parametrize(
        "rows, wanted, message",
        [
            ("weight bias", "wieght", r"plot: there is no row 'wieght'; did you mean 'weight'\?"),
            ("weight bias", "zzz", r"plot: there is no row 'zzz'; the rows are 'weight', 'bias'"),
            ("weight bias", 2, r"plot: row 2 was asked for, and the report has 2, counted from 0"),
            ("weight bias", -3, r"plot: row -3 was asked for, and the report has 2"),
            ("weight bias", "bias", r"plot: row 'bias' has no trace of finite differences to show"),
            ("weight bias", None, r"plot: the rows have no trace of finite differences to show"),
            ("", None, r"plot: the rows have no trace"),
            ("", "w", r"plot: there is no row 'w'; the rows are none"),
        ],
    )
    def test_says_what_it_cannot_show(self, rows, wanted, message):
        with pytest.raises(ValueError, match=message):
            report(*map(row, rows.split())).plot(wanted)


def test_a_report_needs_no_matplotlib():
    code = (
        "import sys; from tinygrad_ml.gradcheck.report import Report, Row\n"
        "given = Report('f', [Row('x', (), 'float64', 'PASS')], 1)\n"
        "str(given), given._repr_html_(), given.to_dict()\n"
        "print(*{'matplotlib', 'scipy', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
