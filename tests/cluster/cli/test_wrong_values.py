import inspect
from typing import get_args

import pytest

from reeltune.cluster.cli.app import VERBS
from reeltune.cluster.cli.wrong_values import KINDS
from tests import inside


def numbers():
    """Each option of each verb whose value is a number."""
    for verb, function in VERBS.items():
        for name, hint in inspect.get_annotations(function).items():
            kinds = get_args(hint)[:1]
            if hint is not bool and set(KINDS) & {*kinds, *get_args(kinds[0] if kinds else None)}:
                yield verb, name


@pytest.mark.parametrize(("verb", "name"), list(numbers()))
def test_an_option_of_a_number_names_a_word_and_what_is_allowed(verb, name):
    option = f"--{name.replace('_', '-')}"
    done = inside.reeltune(verb, option, "many")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {option} 'many': expected a ")
    assert done.stderr.count("\n") == 1


def test_another_error_of_the_command_line_stays_as_it_is():
    assert inside.reeltune("tune", "--trails", "3").stderr.startswith("error: No such option: --trails")
    assert inside.reeltune("train").stderr == "error: Missing argument 'architecture'.\n"
