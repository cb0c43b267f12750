"""The report of a model: one page that stands alone, for those who see it and those who do not."""

import json
import re
import stat
import sys
from html.parser import HTMLParser

import browser
import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule.cli import main as entry
from chainrule.cli.report_wrong import image, row_losses, square
from chainrule.cli.sets import BUILT_IN, COLUMNS
from chainrule.cli.use import labelled, load_model
from chainrule.explain.pages.charts import lines, points, ticks
from chainrule.explain.pages.code import highlighted
from chainrule.explain.pages.page import Section, lowered, page

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Page(HTMLParser):
    """What a page is made of; raises AssertionError where an element is closed that is not open."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.ids, self.headings, self.texts = [], [], [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.elements.append((tag, own))
        if "id" in own:
            self.ids.append(own["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag] = self.texts.get(tag, "") + data

    def all(self, tag):
        return [own for name, own in self.elements if name == tag]


def call(capsys, monkeypatch, *arguments, code=0):
    monkeypatch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        entry.main()
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in this process and an empty folder: standard output and error."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, code=0: call(capsys, monkeypatch, *arguments, code=code)


def table(rows=80):
    draw = np.random.default_rng(0)
    size, place = draw.normal(size=rows), draw.choice(["<b>Oslo</b>", "Bergen"], rows)
    y = np.where(size + (place == "Bergen") > 0.5, 'a "dear" one', "cheap & small")
    sizes = [None if k % 9 == 0 else float(x) for k, x in enumerate(size)]
    return pl.DataFrame({"size": sizes, "place": place, "price": 20 * size + 5, "kind": y})


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Reports of a classifier of images, one of a mixed table, and a regression."""
    folder = tmp_path_factory.mktemp("reports")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        table().write_csv("t.csv")
        quick = ("--engine", "numpy", "--json", "--epochs", "3")
        trained = {
            "digits": ("digits", "--hidden", "16"),
            "table": ("t.csv", "--target", "kind", "--validation-size", "0.2", "--optimizer", "adam"),
            "values": ("t.csv", "--target", "price", "--hidden", ""),
        }
        for name, (data, *options) in trained.items():
            for words in (
                ("train", data, *options, "--model", f"{name}.chainrule", *quick),
                ("report", f"{name}.chainrule", data, "-o", f"{name}.html", "--json"),
            ):
                patch.setattr(sys, "argv", ["chainrule", *words])
                with pytest.raises(SystemExit) as caught:
                    entry.main()
                assert caught.value.code == 0, words
            made[name] = folder / f"{name}.html"
    return made


KINDS = ["digits", "table", "values"]


@pytest.fixture(params=KINDS)
def text(request, reports):
    return reports[request.param].read_text(encoding="utf-8")


# what is in the file -----------------------------------------------------------------------------


def test_nothing_is_loaded_from_elsewhere(text):
    read = Page(text)
    for tag, own in read.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            if name in own:
                assert own[name].startswith(("#", "data:")), (tag, own)
    assert not re.search(r"url\(|@import", text)
    assert read.all("script") == []
    assert not any(name.startswith("on") for _, own in read.elements for name in own)
    (policy,) = [own["content"] for own in read.all("meta") if "http-equiv" in own]
    assert policy.startswith("default-src 'none'")


def test_pictures_have_a_text_and_ids_are_unique(text):
    read = Page(text)
    for own in read.all("img"):
        assert len(own["alt"]) > 10
    for own in read.all("svg"):
        assert own["role"] == "img"
        assert set(own["aria-labelledby"].split()) <= set(read.ids)
    assert len(read.all("svg")) >= 2
    assert len(read.ids) == len(set(read.ids))
    for own in read.all("a"):
        assert own["href"].removeprefix("#") in read.ids


def test_headings_run_in_order_and_the_page_says_its_language_and_title(text):
    read = Page(text)
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(read.headings, read.headings[1:], strict=False))
    assert read.all("html") == [{"lang": "en"}]
    assert read.texts["title"].startswith("Report: ")
    for tag in ("header", "nav", "main", "footer"):
        assert len(read.all(tag)) == 1
    for own in read.all("table"):
        assert own is not None
    assert read.texts["h2"].startswith("DataNetworkTrainingResultsRows it is most wrong about")


def test_tables_name_their_rows_and_columns(text):
    body = text[text.index("<main") : text.index('id="trace"')]
    for found in re.findall(r"<table.*?</table>", body, re.DOTALL):
        assert '<th scope="col"' in found or "<th scope='col'" in found
        assert '<th scope="row"' in found or "<th scope='row'" in found


def test_digits_are_shown_as_images_with_loss_and_probability(reports):
    text = reports["digits"].read_text(encoding="utf-8")
    assert text.count("as an image of 8 by 8 pixels; it is ") == 12
    assert re.search(r"<p>is \d, taken for \d</p><p>probability of \d: [\d.e-]+</p>", text)
    read = Page(text)
    assert "Confusion matrix" in read.texts["caption"]
    assert "On the 359 that were held back, accuracy is" in read.texts["p"]
    assert "def step(x, t, W1, b1" in read.texts["pre"]
    assert "A training step on 1 row" in read.texts["h3"]
    assert "chainrule" in read.texts["table"]


def test_what_a_table_holds_is_told_and_escaped(reports):
    text = reports["table"].read_text(encoding="utf-8")
    assert "<b>Oslo" not in text
    assert "&lt;b&gt;Oslo&lt;/b&gt;" in text
    read = Page(text)
    assert "9 cells of 240 are missing" in read.texts["p"]
    assert re.search(r"-[\d.]+ to [\d.]+, mean -?[\d.]+", read.texts["td"])
    assert 'a "dear" one' in read.texts["td"] + read.texts["th"]
    assert "validation" in read.texts["svg"]
    assert {"loss-t", "accuracy-t"} <= set(read.ids)


def test_values_are_set_beside_those_predicted(reports):
    read = Page(reports["values"].read_text(encoding="utf-8"))
    assert "points-t" in read.ids
    assert "root mean squared error" in read.texts["table"]
    assert "R²" in read.texts["table"]
    assert "Confusion" not in read.texts["caption"]


def test_the_rows_shown_are_those_of_largest_loss(reports):
    """Each row's loss by the formula, and the rows in its order."""
    folder = reports["digits"].parent
    model = load_model(folder / "digits.chainrule")
    rows = labelled(model, "digits", None, None, "tested")
    losses = row_losses(model, rows)
    p = model.network.predict_proba(rows.X)
    assert losses == pytest.approx(-np.log(p[np.arange(len(p)), rows.y]), rel=1e-3, abs=1e-6)
    shown = [int(k) for k in re.findall(r"<h3>Row (\d+)</h3>", reports["digits"].read_text(encoding="utf-8"))]
    assert shown == (np.argsort(-losses, kind="stable")[:12] + 1).tolist()
    values = load_model(folder / "values.chainrule")
    frame = labelled(values, str(folder / "t.csv"), None, None, "tested")
    errors = (values.network.predict(frame.X) - frame.y) ** 2
    assert row_losses(values, frame) == pytest.approx(errors, rel=1e-4)


# parts -------------------------------------------------------------------------------------------


def test_highlighting_keeps_every_letter():
    source = 'def f(x):  # "<&>"\n    """Of\n    lines."""\n    return x < 1 and "é" or lambda: None\n\n'
    made = highlighted(source)
    assert Page(f"<pre>{made}</pre>").texts["pre"] == source
    assert made.count('<span class="k">') == 6
    assert '<span class="c"># "&lt;&amp;&gt;"</span>' in made


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1.0, 20.0, [5, 10, 15, 20]),
        (-3.0, 3.0, [-2, 0, 2]),
        (5.0, 5.0, [5]),
        (0.0, 1e-7, [0, 2e-8, 4e-8, 6e-8, 8e-8, 1e-7]),
    ],
)
def test_axes_have_round_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_charts_stand_even_on_one_epoch_and_on_numbers_that_are_none():
    one = lines("k", "t", "loss", [("training", [1], [0.5])])
    holes = lines("k", "t", "loss", [("training", [1, 2, 3], [None, 0.5, 0.2]), ("validation", [1], [None])])
    for chart in (one, holes, points("k", "t", ("a", "b"), np.ones(3), np.ones(3))):
        read = Page(chart)
        assert "nan" not in chart
        assert len(read.texts["desc"]) > 20
    long = lines("k", "t", "loss", [("training", list(range(5_000)), [1.0] * 5_000)])
    assert len(long) < 20_000


def test_a_page_escapes_its_words_and_lowers_headings():
    made = page("<x>", "", [Section("a", "b & c", "<p>d</p>")], "e < f")
    read = Page(made)
    assert read.texts["h1"] == "<x>"
    assert read.texts["h2"] == "b & c"
    assert lowered('<h1 id="k">a</h1><h5>b</h5><hr>', 2) == '<h3 id="k">a</h3><h6>b</h6><hr>'


def test_rows_are_images_where_their_inputs_are_numbered_and_a_square(tmp_path):
    def side(names):
        net = cr.Network([cr.Dense(2)], loss="cross_entropy")
        net.fit(
            np.random.default_rng(0).normal(size=(9, len(names))), np.arange(9) % 2, epochs=1, verbose=False
        )
        net.metadata = {"columns": names}
        net.save(tmp_path / "m")
        return square(load_model(tmp_path / "m"))

    assert side([f"p{k}" for k in range(25)]) == 5
    assert side([f"pixel_{k // 4}_{k % 4}" for k in range(16)]) == 4
    assert side([f"{word}{k}" for k, word in enumerate("abcdefghijklmnop")]) is None
    assert side([f"p{k}" for k in range(9)]) is None
    assert side([f"p{k}" for k in range(24)]) is None
    assert 'alt="a &quot;b&quot;"' in image(np.zeros(16), 4, 'a "b"')


# bad input ---------------------------------------------------------------------------------------


def test_what_cannot_be_reported_on_is_refused_and_nothing_written(run, tmp_path):
    net = cr.Network([cr.Dense(3)], loss="cross_entropy")
    net.build(13)
    net.save("untrained")
    _, err = run("report", "untrained", "wine", "-o", "r.html", code=2)
    assert "was not trained on classes yet, so it cannot be reported on. Train it first." in err
    net.fit(*BUILT_IN["wine"]("wine"), epochs=1, verbose=False)
    net.metadata = {"columns": COLUMNS["wine"], "target": "cultivar"}
    net.save("m")
    _, err = run("report", "m", "iris", "-o", "r.html", code=2)
    assert "iris: columns 'alcohol', 'malic_acid', 'ash'" in err
    (tmp_path / "folder").mkdir()
    _, err = run("report", "m", "wine", "-o", "folder", code=2)
    assert "--output: folder: cannot be written: it is a folder. Pass another file." in err
    _, err = run("report", "m", "wine", "-o", "m", code=2)
    assert "--output: m is a file that this command reads" in err
    _, err = run("report", "m", "wine", "-o", "no/r.html", code=2)
    assert "there is no folder" in err
    _, err = run("report", "m", "wine", code=2)
    assert "--output" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "m", "untrained"]


def test_a_file_that_may_not_be_written_stays_as_it_is(run, tmp_path, monkeypatch):
    net = cr.Network([cr.Dense(2)], loss="cross_entropy")
    net.fit(*BUILT_IN["xor"]("xor"), epochs=1, verbose=False)
    net.save("m")
    old = tmp_path / "r.html"
    old.write_text("before")
    old.chmod(stat.S_IRUSR)
    monkeypatch.setattr("os.access", lambda path, mode, **more: str(path) != str(old))  # root may write all
    _, err = run("report", "m", "xor", "-o", "r.html", code=2)
    assert "r.html: cannot be written: it is write-protected" in err
    assert old.read_text() == "before"


def test_a_model_made_in_python_is_reported_on_as_well(run):
    """It has no course of training, no linear model and no versions."""
    draw = np.random.default_rng(1)
    X = draw.normal(size=(30, 2))
    own = cr.Network([cr.Dense(4, "tanh"), cr.Dense(1)], loss="mae")
    own.fit(X, X[:, 0], optimizer=cr.LBFGS(), epochs=1, verbose=False)
    own.metadata = {"columns": ["a", "b"], "target": "y"}
    own.save("m")
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": X[:, 0]}).write_csv("t.csv")
    out, _ = run("report", "m", "t.csv", "-o", "r.html")
    assert out.startswith("Report of m on t.csv: r.html (0.")
    with open("r.html", encoding="utf-8") as file:
        read = Page(file.read())
    assert "holds no course of the training" in read.texts["p"]
    assert "not known" in read.texts["td"]
    assert "as L-BFGS has no steps to print" in read.texts["p"]
    told = json.loads(run("report", "m", "t.csv", "-o", "r.html", "--json")[0])
    assert told["report"] == "r.html"
    assert set(told) == {"task", "rows", "test", "baseline", "findings", "report"}


def test_it_says_first_how_good_the_network_is_on_rows_not_trained_on(run):
    def top(model, data):
        run("report", model, data, "-o", "r.html")
        with open("r.html", encoding="utf-8") as file:
            read = Page(file.read())
        return read.texts["dl"], read.texts["p"]

    table(100).write_csv("t.csv")
    table(40).write_csv("new.csv")
    quick = ("--target", "kind", "--epochs", "2", "--engine", "numpy", "--json", "--model")
    score = json.loads(run("train", "t.csv", *quick, "m")[0])["test"]["accuracy"]
    facts, told = top("m", "./t.csv")  # the same table by another path
    assert facts.startswith(f"Accuracy on rows not trained on{score:.1%} on 20 rowsAccuracy")
    assert " on 100 rows, 80 of them trained on" in facts
    assert f"of which 80 were trained on. On the 20 that were held back, accuracy is {score:.4f}." in told
    facts, told = top("m", "new.csv")
    assert "trained on" not in facts
    assert "was trained on 80 rows of t.csv: where rows of this table are among them" in told

    run("train", "t.csv", "--test", "new.csv", *quick, "apart")
    facts, told = top("apart", "t.csv")
    assert " on 100 rows, all of them trained on" in facts
    assert "On the 40 of another table that it was tested on, accuracy is" in told
    run("train", "xor", "--epochs", "2", "--model", "x")
    assert "of which 4 were trained on: it may do worse on new ones." in top("x", "xor")[1]


def test_of_many_classes_it_counts_the_most_frequent_and_says_so(run):
    k = np.arange(600) % 150
    pl.DataFrame({"a": k / 100.0, "b": -k / 50.0, "kind": [f"k{i}" for i in k]}).write_csv("t.csv")
    run("train", "t.csv", "--target", "kind", "--epochs", "1", "--hidden", "4", "--model", "m", "--json")
    run("report", "m", "t.csv", "-o", "r.html")
    with open("r.html", encoding="utf-8") as file:
        text = file.read()
    listed = text[text.index("the 100 most frequent of 150 classes") :]
    assert listed[: listed.index("</table>")].count('<th scope="row">') == 100
    assert (
        "With 150 classes, a table of which was taken for which could not be read." in Page(text).texts["p"]
    )


# in a browser ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    if browser.PROGRAM is None:
        pytest.skip(f"there is no browser: none of {', '.join(browser.NAMES)} was found")
    opened = browser.Browser()
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_has_nothing_to_complain_of_and_asks_for_nothing(kind, reports, chromium):
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.open(reports[kind])
    assert chromium.complaints == []
    assert [url for url in chromium.requests if not url.startswith("data:")] == [reports[kind].as_uri()]
    tree = chromium("Accessibility.getFullAXTree")["nodes"]
    pictures = [node for node in tree if node.get("role", {}).get("value") in ("image", "img")]
    assert len(pictures) >= 2
    for node in pictures:
        assert node["name"]["value"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [360, 1200])
def test_no_page_is_wider_than_its_window(kind, width, reports, chromium):
    chromium.open(reports[kind], width=width)
    assert chromium.ask("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_the_content_and_opens_what_is_folded(reports, chromium):
    chromium.open(reports["digits"])
    chromium.press("Tab", 9)
    assert chromium.ask("document.activeElement.className") == "skip"
    assert chromium.ask("document.activeElement.getBoundingClientRect().left") >= 0
    chromium.press("Enter", 13, "\r")
    assert chromium.ask("location.hash") == "#main"
    for _ in range(30):
        chromium.press("Tab", 9)
        if chromium.ask("document.activeElement.tagName") == "SUMMARY":
            break
    assert chromium.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    chromium.press("Enter", 13, "\r")
    assert chromium.ask("document.activeElement.parentElement.open") is True


CONTRAST = """
(() => {
  const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  let least = 99;
  const words = "h1, p, dt, a, td, th, caption, figcaption, pre span, summary";
  for (const e of document.querySelectorAll(words)) {
    const own = getComputedStyle(e).backgroundColor;  // a shade lets what is below it through
    if (!e.textContent.trim() || e.closest(".skip") || /rgba\\(.*[^0]\\)$/.test(own)) continue;
    let b = e;
    while (getComputedStyle(b).backgroundColor === "rgba(0, 0, 0, 0)") b = b.parentElement;
    const [x, y] = [getComputedStyle(e).color, getComputedStyle(b).backgroundColor].map(light);
    least = Math.min(least, (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05));
  }
  return least;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_in_light_and_dark(dark, reports, chromium):
    """A contrast of 4.5, which WCAG 2.2 asks for (1.4.3)."""
    chromium.open(reports["digits"], dark=dark)
    red = chromium.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(red) < 60) == dark
    assert chromium.ask(CONTRAST) >= 4.5


def test_it_prints_on_some_pages_with_all_of_the_source(reports, chromium):
    chromium.open(reports["digits"], dark=True)
    pdf = chromium.print()
    assert pdf.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 20
    chromium("Emulation.setEmulatedMedia", media="print")
    assert chromium.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert chromium.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = "[...document.querySelectorAll('pre')].some(e => e.scrollHeight > e.clientHeight + 1)"
    assert chromium.ask(hidden) is False
    chromium("Emulation.setEmulatedMedia", media="")
