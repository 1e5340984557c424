import pytest

from reeltune.trainables.data.reading.records import records, split_line


def read(text, fields=3, separator=","):
    return list(records(text.split("\n"), start=0, separator=separator, fields=fields))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('1,"Heat, The",5', ["1", "Heat, The", "5"]),
        ('1,"say ""hi""",5', ["1", 'say "hi"', "5"]),
        ('1,"say \\"hi\\", ok",5', ["1", 'say "hi", ok', "5"]),
        ('1,5" disc,5', ["1", '5" disc', "5"]),
        ('1, "Heat, The", 5', ["1", "Heat, The", "5"]),
        ('1,"Heroes,5', ["1", '"Heroes', "5"]),
        ('1,"Low" side,5', ["1", '"Low" side', "5"]),
        ('1,A,"5', ["1", "A", '"5']),
    ],
)
def test_a_line_is_split_by_the_rule_that_gives_it_its_fields(line, fields):
    assert split_line(line, ",", 3) == fields
    assert [record.fields for record in read(line)] == [fields]


def test_lines_that_are_whole_are_never_swallowed():
    found = read('1,"Heroes,5\n2,B,4\n4,Villains",3\n5,C,1')
    assert [record.fields for record in found] == [
        ["1", '"Heroes', "5"],
        ["2", "B", "4"],
        ["4", 'Villains"', "3"],
        ["5", "C", "1"],
    ]
    assert [record.literal for record in found] == [True, False, False, False]


def test_a_text_over_several_lines_is_one_value_and_counts_its_lines():
    found = read('1,A,"nice\n\nfilm, ""really"""\n\n2,B,"ok"')
    assert [record.fields for record in found] == [["1", "A", 'nice\n\nfilm, "really"'], ["2", "B", "ok"]]
    assert [(record.line, record.lines) for record in found] == [(1, 3), (5, 1)]


def test_runs_of_blanks_are_one_separator_outside_of_quotes():
    found = read('  1   "Heat  The"  5 \n2\tB 4', separator=" ")
    assert [record.fields for record in found] == [["1", "Heat  The", "5"], ["2", "B", "4"]]


def test_quotes_mean_nothing_beside_colons():
    assert [record.fields for record in read('1::"A::5', separator="::")] == [["1", '"A', "5"]]
