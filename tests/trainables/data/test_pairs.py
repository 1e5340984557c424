from reeltune.trainables.data.pairs import once


def test_notes_of_one_kind_are_said_once_with_how_many_more_there_are():
    notes = ["f: columns: user = 'u'", "f: line 3 has quotes", "f: line 3,007 has quotes", "f: columns: user = 'u'"]
    assert once([*notes, "f: line 9 has quotes"]) == (
        "f: columns: user = 'u'",
        "f: line 3 has quotes; and the like in 2 other parts",
    )


def test_notes_of_two_columns_are_two():
    notes = ["f: spaces around ids in column 'user1'", "f: spaces around ids in column 'user2'"]
    assert once(notes) == (*notes,)
    ids = [f"f: ids such as '{n}.0' in column 'user' are read as '{n}'" for n in (7, 8, 9)]
    assert once(ids) == (f"{ids[0]}; and the like in 2 other parts",)
