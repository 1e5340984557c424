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
    assert "over tuned pmf" not in shown[80]
    assert "over tuned pmf" in shown[200]
    assert "…" not in shown[80] + shown[200]
