"""Do statements mean the same on both databases?"""

import json

import pytest
from django.db import connection

from bridge.storage.sql import Script, Statement, as_datetime

pytestmark = pytest.mark.django_db(transaction=True)


def test_parameters_have_names_and_more_may_be_given_than_are_named():
    add = Statement("SELECT %(one)s + {piece} * %(one)s", piece="2")
    assert add(one=3, another="not named").row == (9,)


def test_a_moment_is_so_many_seconds_from_now():
    row = Statement("SELECT {now}, {in[wait]}, {in[past]}")(wait=1.5, past=-2).row
    now, later, earlier = map(as_datetime, row)
    assert 1.4 < (later - now).total_seconds() < 1.6
    assert -2.1 < (earlier - now).total_seconds() < -1.9


def test_a_list_is_a_table_in_its_order():
    texts = ["b", 'quo"te % {} %(x)s', "日本\n語 🙂"]
    found = Statement(
        "SELECT item.position, {item[text]} FROM {each[list]} ORDER BY item.position"
    )(list=json.dumps([{"text": text} for text in texts]))
    assert found.rows == list(enumerate(texts, 1))


def test_a_script_gives_back_what_its_last_statement_does():
    script = Script(
        "INSERT INTO auth_group (name) VALUES (%(name)s)",
        "UPDATE auth_group SET name = %(new)s WHERE name = %(name)s",
        "SELECT name FROM auth_group WHERE name = %(new)s",
    )
    assert script(name="a", new="b").row == ("b",)


def test_a_script_is_carried_out_whole_or_not_at_all():
    script = Script(
        "INSERT INTO auth_group (name) VALUES (%(name)s)",
        "INSERT INTO auth_group (name) VALUES (%(name)s)",
    )
    with pytest.raises(Exception, match=r"(?i)unique"):
        script(name="a")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM auth_group WHERE name = 'a'")
        assert cursor.fetchone() == (0,)
