"""The page's server: who may, and what it says and takes."""

import io
import json

import numpy as np
import pytest
from labelling.conftest import NAMES, Asked
from PIL import Image
from starlette.testclient import TestClient

from usb_ext.labelling.guard import cookie_name
from usb_ext.labelling.server import Labelling
from usb_ext.labelling.table import Table, open_table

TOKEN = "a-token-of-the-test"
PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"
COOKIE = cookie_name(PORT)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def table(asked: Asked) -> Table:
    return open_table(asked.table, ["cat", "dog"])


def page(asked: Asked, table: Table, **changed: object) -> Labelling:
    files = [asked.images / name for name in NAMES]
    return Labelling(table, files, TOKEN, PORT, lambda: None, **changed)  # type: ignore[arg-type]


@pytest.fixture
def client(asked: Asked, table: Table) -> TestClient:
    made = TestClient(page(asked, table).application(), base_url=HOME)
    assert made.get("/", params={"token": TOKEN}).status_code == 200
    return made


PLACES = [("GET", "/"), ("GET", "/state"), ("GET", "/image/0"), ("GET", "/page/app.js")]
PLACES += [("POST", "/answer"), ("POST", "/class"), ("POST", "/done")]


@pytest.mark.parametrize(("method", "place"), PLACES)
@pytest.mark.parametrize("cookie", [None, "wrong", "ü"])
def test_nobody_without_the_token(
    asked: Asked, table: Table, method: str, place: str, cookie: str | None
) -> None:
    other = TestClient(page(asked, table).application(), base_url=HOME)
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}".encode()}
    answer = other.request(method, place, headers=headers, json={} if method == "POST" else None)  # type: ignore[arg-type]
    assert answer.status_code == 403 and "cat" not in answer.text
    assert other.get("/", params={"token": "wrong"}).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1.evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "",
    ],
)
def test_no_other_host_is_answered(client: TestClient, host: str) -> None:
    assert client.get("/state", headers={"Host": host}).status_code == 421
    assert client.get("/state", headers={"Host": f"localhost:{PORT}"}).status_code == 200


def test_the_cookie_is_for_this_page_alone(asked: Asked, table: Table) -> None:
    other = TestClient(page(asked, table).application(), base_url=HOME, follow_redirects=False)
    answer = other.get("/", params={"token": TOKEN})
    assert answer.status_code == 303 and TOKEN not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


def test_nothing_is_taken_from_elsewhere(client: TestClient) -> None:
    for place in ("/", "/page/app.js", "/page/style.css"):
        answer = client.get(place)
        assert answer.status_code == 200
        assert "http://" not in answer.text and "https://" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for place in (
        "/page/index.html",
        "/page/..%2Fserver.py",
        "/page/%2e%2e/table.py",
        "/image/5",
        "/image/-1",
    ):
        assert client.get(place).status_code == 404


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_images_are_the_ones_of_the_rows(asked: Asked, client: TestClient, number: int) -> None:
    answer = client.get(f"/image/{number}")
    with (
        Image.open(asked.images / NAMES[number]) as wanted,
        Image.open(io.BytesIO(answer.content)) as found,
    ):
        assert found.format in {"PNG", "JPEG", "WEBP"}
        np.testing.assert_array_equal(
            np.asarray(found.convert("RGB")), np.asarray(wanted.convert("RGB"))
        )


def test_a_bad_image_is_told(asked: Asked, client: TestClient) -> None:
    (asked.images / NAMES[0]).write_bytes(b"no image")
    assert client.get("/image/0").status_code == 415


def test_an_answer_reaches_the_disk(asked: Asked, client: TestClient) -> None:
    given = {"number": 2, "label": "dog", "unsure": True, "seen": 0}
    found = client.post("/answer", json=given).json()
    assert found["images"][2] == {"name": "three.tif", "label": "dog", "unsure": True}
    assert asked.lines[3] == "three.tif,dog"
    late = client.post("/answer", json={**given, "label": "cat"})
    assert late.status_code == 409 and late.json()["images"][2]["label"] == "dog"
    assert asked.lines[3] == "three.tif,dog"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"number": "0", "label": "cat", "unsure": false, "seen": 0}',
     b'{"number": 0, "label": "cow", "unsure": false, "seen": 0}', b"\xff"],
    ids=["empty", "list", "nothing", "text", "unknown", "bytes"],
)  # fmt: skip
def test_a_wrong_answer_is_refused_in_one_line(
    asked: Asked, client: TestClient, body: bytes
) -> None:
    before = asked.lines
    answer = client.post("/answer", content=body, headers=JSON)
    assert answer.status_code == 400 and answer.json()["error"].count("\n") == 0
    assert asked.lines == before


def test_classes_are_added_where_that_is_allowed(
    asked: Asked, table: Table, client: TestClient
) -> None:
    assert client.post("/class", json={"name": "cow"}).json()["classes"] == ["cat", "dog", "cow"]
    other = TestClient(page(asked, table, new_classes=False).application(), base_url=HOME)
    other.get("/", params={"token": TOKEN})
    assert other.post("/class", json={"name": "emu"}).status_code == 400


def test_another_page_changes_nothing(asked: Asked, client: TestClient) -> None:
    """A page of another port of this machine is of the same site, so it sends the cookie, too."""
    given = {"number": 0, "label": "cat", "unsure": False, "seen": 0}
    before = asked.lines
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
        assert client.post("/answer", json=given, headers={"Origin": origin}).status_code == 403
    plain = {"Content-Type": "text/plain"}
    assert client.post("/answer", content=json.dumps(given), headers=plain).status_code == 415
    assert client.post("/class", json={"name": "x" * 70_000}).status_code == 413
    assert asked.lines == before
    assert client.post("/answer", json=given, headers={"Origin": HOME}).status_code == 200


@pytest.mark.parametrize("name", ["", "-1", "a\nb", "\x00", "\udce4", "\ud800"], ids=ascii)
def test_no_name_of_a_class(client: TestClient, name: str) -> None:
    answer = client.post("/class", content=json.dumps({"name": name}), headers=JSON)
    assert answer.status_code == 400 and "cannot name a class" in answer.json()["error"]


def test_the_end_is_told(asked: Asked, table: Table) -> None:
    ended: list[int] = []
    served = Labelling(table, [], TOKEN, PORT, lambda: ended.append(1))
    other = TestClient(served.application(), base_url=HOME)
    other.get("/", params={"token": TOKEN})
    assert other.post("/done", json={}).json() == {"labelled": 0, "images": 5} and ended == [1]
