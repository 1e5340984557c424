import io

from rich.console import Console

from reeltune.cluster.cli.tables import terminal_table
from reeltune.cluster.runs.answer import Result
from tests.reported import found, result


def test_a_narrow_terminal_gets_the_columns_that_answer_the_question():
    shown_result = Result.model_validate(result(architectures={"embedding_nn": found()}))
    shown = {}
    for width in (80, 200):
        console = Console(width=width, file=io.StringIO())
        console.print(terminal_table(shown_result, "argmax", width=width))
        shown[width] = console.file.getvalue()
    assert "beats" in shown[80]
    assert "+0.0200 to +0.0400" in shown[80]
    assert "p (Holm)" not in shown[80]
    assert "p (Holm)" in shown[200]
    assert "over simple" in shown[200]
    assert "+0.0200" in shown[80], "the gain over the best simple predictor"
    assert "…" not in shown[80] + shown[200]


def test_the_longest_names_and_words_are_whole_in_a_narrow_terminal():
    names = {"svdpp_classifier": found(verdict="is the baseline"), "svdpp": found(timed=True), "ensemble": found()}
    console = Console(width=80, file=io.StringIO())
    console.print(terminal_table(Result.model_validate(result(architectures=names)), "argmax", width=80))
    text = console.file.getvalue()
    assert "…" not in text
    assert all(word in text for word in ("svdpp_classifier", "svdpp WITH TIME", "is the ", "baseline ", "ensemble"))
