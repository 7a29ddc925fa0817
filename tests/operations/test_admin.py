"""What does an operator see and do in the admin, through the real server?"""

import re
import subprocess
import sys

import pytest
import requests

from simulator.processes import ROOT
from tests.conftest import begin_chat, new_line_id
from tests.harness.bot import CONNECTED, END, SENT, Bot
from tests.harness.environment import service_environment
from tests.harness.waiting import until

USER, PASSWORD = "operator", "correct horse battery staple"
LIST = "/admin/bridge/session/"
SECRET_COLUMNS = ("key", "affinity_token")


def make_user(service, *arguments):
    """Let this service have an operator."""
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=service_environment(
            DATABASE_URL=service.database.url,
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        ),
        check=True,
        capture_output=True,
        timeout=60,
    )


def secrets_of(service, line_id):
    """Return what must not be shown, as the database holds it."""
    columns = ", ".join(SECRET_COLUMNS)
    ((*secrets,),) = service.database.execute(
        f"SELECT {columns} FROM bridge_session WHERE line_id = '{line_id}'",
    )
    assert all(secrets)
    return secrets


class Operator:
    """Somebody with a browser, as the server sees it."""

    def __init__(self, service):
        self.url = service.url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Accept-Language"] = "en"

    def get(self, path, **query):
        return self.http.get(f"{self.url}{path}", params=query, timeout=30)

    def post(self, path, **fields):
        token = self.http.cookies["csrftoken"]
        data = {**fields, "csrfmiddlewaretoken": token}
        return self.http.post(f"{self.url}{path}", data=data, timeout=30)

    def log_in(self, name=USER):
        self.get("/admin/login/")
        page = "/admin/login/?next=/admin/"
        answer = self.post(page, username=name, password=PASSWORD)
        assert answer.url == f"{self.url}/admin/"
        return self

    def line_ids(self, **query):
        """Return whose chats the list shows, from the top."""
        page = self.get(LIST, **query).text
        return re.findall(r'field-line_id"><a href="[^"]*">([^<]*)</a>', page)

    def detail(self, line_id):
        """Return the path of a chat's page."""
        page = self.get(LIST, q=line_id).text
        return re.search(rf"{LIST}[0-9]+/change/", page)[0]


@pytest.fixture(scope="module")
def _user(shared_service):
    make_user(
        shared_service,
        *("createsuperuser", "--noinput"),
        *("--username", USER, "--email", "o@example.com"),
    )


@pytest.fixture
def operator(service, _user):
    operator = Operator(service)
    with operator.http:
        yield operator.log_in()


@pytest.fixture
def chats(service, salesforce):
    """Return the bots of three chats, oldest first: ended, established, waiting."""
    prefix = new_line_id()
    ended, established, waiting = (Bot(service, f"{prefix}{n}") for n in "123")
    begin_chat(ended, salesforce).end()
    assert ended.messages().outcome == END
    begin_chat(established, salesforce)
    assert waiting.init().outcome == CONNECTED
    return ended, established, waiting


def in_list(operator, bot):
    """Return what the list shows of this customer's only chat."""
    page = operator.get(LIST, q=bot.line_id).text
    return dict(re.findall(r'<t[dh] class="field-(\w+)[^"]*">(.*?)</t[dh]>', page))


def test_nobody_gets_in_without_logging_in(service):
    stranger = Operator(service)
    with stranger.http:
        for path in ("/admin/", LIST, f"{LIST}1/change/"):
            assert "/admin/login/" in stranger.get(path).url


def test_the_newest_chats_come_first(operator, chats):
    prefix = chats[0].line_id[:-1]
    assert operator.line_ids(q=prefix) == [f"{prefix}{n}" for n in "321"]


def test_a_chat_is_found_by_its_line_id(operator, chats):
    assert operator.line_ids(q=chats[1].line_id) == [chats[1].line_id]
    assert operator.line_ids(q="山田") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state__exact": "ended"}, "1"),
        ({"state__exact": "established"}, "2"),
        ({"state__exact": "waiting"}, "3"),
        ({"reason__exact": "agent"}, "1"),
        ({"opened_at__gte": "2020-01-01 00:00:00+00:00"}, "321"),
        ({"opened_at__lt": "2020-01-01 00:00:00+00:00"}, ""),
    ],
)
def test_chats_are_filtered(operator, chats, query, found):
    prefix = chats[0].line_id[:-1]
    shown = operator.line_ids(q=prefix, **query)
    assert shown == [f"{prefix}{n}" for n in found]


def test_the_list_shows_how_a_chat_stands(operator, chats, salesforce):
    *_, waiting = chats
    assert waiting.send("内緒").outcome == SENT
    cells = in_list(operator, waiting)
    assert list(cells) == [
        *("line_id", "display_name", "state", "reason", "opened_at", "active_at"),
        *("messages_to_bot", "messages_to_agent"),
    ]
    assert cells["display_name"] == "山田 花子"
    assert (cells["state"], cells["reason"]) == ("waiting", "-")
    assert (cells["messages_to_bot"], cells["messages_to_agent"]) == ("0", "1")


def test_no_secret_and_no_word_is_shown(operator, service, salesforce, chats):
    *_, established, waiting = chats
    salesforce.wait_for_chat(established.line_id, "established").say("係の言葉")
    assert waiting.send("客の言葉").outcome == SENT
    hidden = ["係の言葉", "客の言葉", "こんにちは"]
    until(lambda: in_list(operator, established)["messages_to_bot"] == "1", "the words")
    assert in_list(operator, waiting)["messages_to_agent"] == "1"
    pages = [operator.get(LIST, q=established.line_id[:-1]).text]
    for bot in (established, waiting):
        hidden += secrets_of(service, bot.line_id)
        pages.append(operator.get(operator.detail(bot.line_id)).text)
    for page in pages:
        assert established.line_id[:-1] in page
        assert [each for each in hidden if each in page] == []


NUL = "a\0b"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (LIST, {"state__exact": NUL}),
        (LIST, {"reason__exact": NUL}),
        (LIST, {"line_id": NUL}),
        (LIST, {"q": NUL}),
        (LIST, {NUL: "x"}),
        ("/admin/auth/user/", {"username": NUL}),
        ("/admin/auth/group/", {"name": NUL}),
        (LIST, {"opened_at__year": "9" * 30}),
        (LIST, {"opened_at__gte": "0001-01-01 00:00:00+23:00"}),
    ],
)
def test_what_no_database_can_look_for_is_a_plain_400(operator, path, query):
    answer = operator.get(path, **query)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("chosen", [NUL, "abc", "9" * 30, "-1", ""])
def test_a_choice_that_is_no_chat_is_a_plain_400(operator, chosen):
    answer = operator.post(LIST, action="end_chat", _selected_action=chosen)

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages"])
def test_a_cookie_with_nul_is_a_plain_400(service, name):
    cookie = {"Cookie": f'{name}="aaaaaaaaaa\\000aaaaaaaaaa"'}
    page = f"{service.url}/admin/login/"

    assert requests.get(page, headers=cookie, timeout=30).status_code == 400


@pytest.mark.tracebacks
@pytest.mark.parametrize(
    "lookup", ["key__startswith", "affinity_token__gt", "host", "line_id__regex"]
)
def test_no_filter_lets_a_secret_be_guessed(operator, service, bot, chat, lookup):
    assert operator.get(LIST, **{lookup: "a"}).status_code == 400


def test_nothing_can_be_edited(operator, service, bot, chat):
    path = operator.detail(bot.line_id)
    page = operator.get(path).text
    assert not re.search(r'name="_(save|addanother|continue)"|deletelink', page)
    fields = {"line_id": "U0", "state": "ended", "display_name": "x", "_save": "x"}
    assert operator.post(path, **fields).status_code == 403
    delete = path.replace("/change/", "/delete/")
    assert operator.post(delete, post="yes").status_code == 403
    assert operator.get(f"{LIST}add/").status_code == 403
    assert operator.post(f"{LIST}add/", **fields).status_code == 403
    select = f"SELECT display_name FROM bridge_session WHERE line_id = '{bot.line_id}'"
    assert service.database.execute(select) == [("山田 花子",)]
    assert chat.state == "established"


def test_the_list_offers_no_deletion(operator, bot, chat):
    page = operator.get(LIST, q=bot.line_id).text
    offered = re.findall(r'<option value="(\w+)"', page)
    assert "end_chat" in offered
    assert "delete_selected" not in offered


def test_end_chat_ends_the_chosen_ones_at_salesforce(operator, chats, salesforce):
    ended, established, waiting = chats
    chosen = [
        operator.detail(bot.line_id).split("/")[-3] for bot in (ended, established)
    ]
    answer = operator.post(LIST, action="end_chat", _selected_action=chosen)
    assert "1 ended" in answer.text
    (chat,) = salesforce.chats(established.line_id)
    assert chat.wait(ended=1).ended_by == "client"
    assert established.messages().outcome == END
    (other,) = salesforce.chats(waiting.line_id)
    assert other.state == "waiting"


def test_who_may_only_look_ends_nothing(operator, service, bot, chat):
    name = f"looker-{bot.line_id}"
    code = (
        "from django.contrib.auth.models import Permission, User\n"
        f"user = User.objects.create_user({name!r}, password={PASSWORD!r},"
        " is_staff=True)\n"
        "user.user_permissions.add(Permission.objects.get("
        "codename='view_session', content_type__app_label='bridge'))"
    )
    make_user(service, "shell", "-c", code)
    looker = Operator(service)
    with looker.http:
        looker.log_in(name)
        pk = looker.detail(bot.line_id).split("/")[-3]
        looker.post(LIST, action="end_chat", _selected_action=[pk])
        assert "end_chat" not in looker.get(LIST).text
    assert bot.send("まだいます").outcome == SENT
    assert chat.wait(texts=1).state == "established"


def test_the_admin_is_found_without_its_slash(operator):
    answer = operator.get("/admin")

    assert answer.status_code == 200
    assert answer.url == f"{operator.url}/admin/"


def test_a_chats_page_says_in_which_time_and_leads_to_no_history(
    operator, bot, salesforce
):
    begin_chat(bot, salesforce)

    page = operator.get(operator.detail(bot.line_id)).text

    assert "JST, UTC+0900" in page
    assert "historylink" not in page
    assert "closelink" not in page
