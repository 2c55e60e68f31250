"""A district of the tests: a server on it, and everything in it that an operation can be about."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from one_time_code import one_time_code

DISTRICT, COMMUNITY = "219901", "219901001001"
GRIDS = (f"{COMMUNITY}001", f"{COMMUNITY}002")
ELSEWHERE = "219901001002001"
PASSWORD = "a long one for the district of the tests"
# Every role, and where its holder has it.
ROLES = {
    "grid_leader": GRIDS[0],
    "liaison": GRIDS[0],
    "community_worker": COMMUNITY,
    "call_agent": DISTRICT,
    "duty_officer": DISTRICT,
    "dispatcher": DISTRICT,
    "handler": DISTRICT,
    "mediator": DISTRICT,
    "volunteer": GRIDS[0],
    "supervisor": DISTRICT,
    "auditor": DISTRICT,
    "data_protection_officer": DISTRICT,
    "administrator": DISTRICT,
}
# Those about whom the others ask: nothing that is done to them hinders anybody who asks.
ASKED_ABOUT = {"extra": "volunteer", "careful": "handler", "leaving": "volunteer"}
# What the machine client may do.
SCOPES = ["read", "edit_household", "read_areas", "read_audit"]
# Seconds after which a request is given up, on a machine that is busy with other things.
LONGEST_ANSWER_S = 120


def call(
    url: str, token: str | None = None, body: object = None, method: str | None = None, **headers: str
) -> dict:
    """One request with a body of JSON, or of bytes as they are, and what it was answered with."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"content-type": "application/json"} | headers | ({"authorization": f"Bearer {token}"} if token else {})
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_ANSWER_S) as answer:
            return json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{request.get_method()} {url}: {error} {error.read().decode()}") from None


def stand_in(role: str) -> str:
    """The name of somebody else of a role."""
    return f"{role}.too"


def sign_in(url: str, name: str) -> dict:
    return call(f"{url}/v1/sign-in", body={"sign_in": name, "password": PASSWORD})


@contextmanager
def serving(gridwork: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A server on a new district: the addresses of its API and of its metrics."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    areas = [(DISTRICT, "示范区"), ("219901001", "繁荣街道"), (COMMUNITY, "繁荣社区"), (ELSEWHERE[:12], "兴旺社区")]
    areas += [(code, f"第{number}网格") for code, number in zip((*GRIDS, ELSEWHERE), "一二三")]
    offices = [(name, name, area) for name, area in ROLES.items()]
    # A grid has one leader.
    offices += [(stand_in(role), role, GRIDS[1] if area == GRIDS[0] else area) for role, area in ROLES.items()]
    offices += [(name, role, GRIDS[0]) for name, role in ASKED_ABOUT.items()]
    staff = [
        {"sign_in": name, "name": name, "password": PASSWORD, "roles": [{"role": role, "area": area}]}
        for name, role, area in offices
    ]
    plan = {"areas": [{"code": code, "name": name} for code, name in areas], "staff": staff}
    (folder / "district.json").write_text(json.dumps(plan))
    environment = os.environ | {
        "GRIDWORK_DATA_DIR": str(folder / "data"),
        "GRIDWORK_ADDRESS": "127.0.0.1:0",
        "GRIDWORK_METRICS_ADDRESS": "127.0.0.1:0",
        "GRIDWORK_ADMINISTRATOR_TOTP": "optional",
        # All ask from one address, as fast as they can.
        "GRIDWORK_REQUESTS_PER_MINUTE": "0",
        "GRIDWORK_SIGN_INS_PER_MINUTE": "0",
        "GRIDWORK_PHONE_SEARCHES_PER_HOUR": "0",
    }
    subprocess.run([gridwork, "setup", folder / "district.json"], env=environment, check=True, stdout=subprocess.DEVNULL)
    log = folder / "server.log"
    with log.open("w") as sink:
        server = subprocess.Popen([gridwork, "serve"], env=environment, stdout=subprocess.PIPE, stderr=sink, text=True)
    try:
        line = server.stdout.readline()
        while line and "gridwork serves http" not in line:
            line = server.stdout.readline()
        if not line:
            raise SystemExit(f"the server did not start:\n{log.read_text()}")
        url = re.search(r"http://\S+", line).group()
        yield url, f"http://{metrics_address(log)}/metrics"
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}:\n{log.read_text()[-2000:]}")
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
    # What the HTTP library cannot parse it reports as an error of its own: that is the caller's.
    reported = re.compile(r'"level":"ERROR".*"target":"gridwork')
    errors = [line for line in log.read_text().splitlines() if reported.search(line)]
    if errors:
        raise SystemExit("the server reports what failed inside:\n" + "\n".join(errors[:20]))


def metrics_address(log: Path) -> str:
    """Where the server says in its log that its metrics are."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = re.search(r'"metrics":"Some\((\S+?)\)"', log.read_text())
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise SystemExit(f"the server does not say where its metrics are:\n{log.read_text()}")


class Settler:
    """Fills the district of a server."""

    def __init__(self, url: str, gridwork: str, folder: Path) -> None:
        self.url, self.gridwork, self.folder = url, gridwork, folder
        self.tokens: dict[str, dict] = {}

    def call(self, name: str, path: str, body: object = None, method: str | None = None, **headers: str) -> dict:
        """A request of somebody."""
        return call(self.url + path, self.session(name)["access_token"], body, method, **headers)

    def session(self, name: str) -> dict:
        if name not in self.tokens:
            self.tokens[name] = sign_in(self.url, name)
        return self.tokens[name]

    def id_of(self, name: str) -> str:
        return self.session(name)["staff"]["id"]

    def phone(self, name: str, *words: str) -> None:
        """A step of somebody's phone."""
        environment = os.environ | {"GRIDWORK_PHONE_DIR": str(self.folder / f"phone of {name}")}
        subprocess.run([self.gridwork, "phone", *words], env=environment, check=True, stdout=subprocess.DEVNULL)

    def enrol(self, name: str) -> None:
        code = self.call("administrator", "/v1/devices/enrolment-codes", {"staff": self.id_of(name)})["code"]
        self.phone(name, "enrol", self.url, code)
        self.phone(name, "sync")

    def register(self, grid: str, name: str, address: str) -> str:
        resident = {"resident": {"name": name, "birth_date": "1950-01-01"}, "membership": {"relation": "01"}}
        home = {"grid": grid, "dwelling": {"address": address}, "residents": [resident]}
        return self.call("call_agent", "/v1/households", home)["household"]

    def settle(self) -> dict[str, str]:
        """Everything that schemathesis is told of, by names."""
        grids = {area["code"]: area["id"] for area in self.call("call_agent", "/v1/areas?limit=200")["items"]}
        grid = grids[GRIDS[0]]
        homes = [self.register(grids[GRIDS[number % 2]], f"孙小{name}", f"建设路{number}号")
                 for number, name in enumerate("一二三四")]
        twins = [self.register(grid, "吴双", "胜利路1号") for _ in range(3)]
        away = self.register(grids[ELSEWHERE], "郑远", "兴旺路1号")
        person = self.call("call_agent", f"/v1/households/{homes[0]}")["residents"][0]
        self.disagree(homes[0])
        roster = "住址,姓名\n解放路5号,周五\n".encode()
        self.call("call_agent", f"/v1/imports?apply=true&grid={grid}", roster, content_type="text/csv")
        shift = sign_in(self.url, "leaving")["session"]
        self.call("administrator", f"/v1/staff/{self.id_of('leaving')}/sessions/{shift}", method="DELETE")
        machine, token, spare_key = self.machine(grids[DISTRICT])
        self.enrol("grid_leader")
        self.phone("grid_leader", "visit", homes[0], "--note", "一切都好")
        self.phone("grid_leader", "sync")
        devices = self.call("administrator", f"/v1/staff/{self.id_of('grid_leader')}/devices")["items"]
        emergency = {"household": away, "reason": "楼道冒烟"}
        pairs = self.call("call_agent", "/v1/duplicates?limit=200")["items"]
        self.second_factor("careful")
        return {
            "VERSION": "*", "GRID": grid, "OTHER_GRID": grids[GRIDS[1]], "COMMUNITY": grids[COMMUNITY],
            "HOUSEHOLD": homes[0], "OTHER_HOUSEHOLD": homes[1], "AWAY": away, "TWIN": twins[1], "OTHER_TWIN": twins[2],
            "RESIDENT": person["id"], "MEMBERSHIP": person["memberships"][0]["id"],
            "LEADER": self.id_of("grid_leader"), "EXTRA": self.id_of("extra"), "CAREFUL": self.id_of("careful"),
            "MACHINE": machine, "KEY": token, "SPARE_KEY": spare_key, "DEVICE": devices[0]["id"],
            "SESSION": sign_in(self.url, "leaving")["session"],
            "PAIR": next(one["pair"] for one in pairs if twins[0] in one["pair"] or one["alike"] == "dwelling"),
            "BROKEN": self.call("community_worker", "/v1/break-glass", emergency)["break_glass"],
            "TOMORROW_MS": str(int(time.time() + 86_400) * 1000),
        }

    def disagree(self, home: str) -> None:
        """Two who saw the same version give a household different numbers."""
        seen = self.call("call_agent", f"/v1/households/{home}")["version"]
        for number in ("13900000001", "13900000002"):
            self.call("call_agent", f"/v1/households/{home}", {"contact_phone": number}, "PATCH", if_match=seen)

    def machine(self, district: str) -> tuple[str, str, str]:
        """A machine client, its key, and the id of another one."""
        office = {"role": "call_agent", "area": district}
        form = {"name": "报表程序", "sign_in": "reports", "office": office}
        machine = self.call("administrator", "/v1/staff", form)["id"]
        form = {"name": "报表", "scopes": SCOPES,
                "expires_at_ms": int(time.time() + 86_400) * 1000}
        made = [self.call("administrator", f"/v1/staff/{machine}/api-keys", form) for _ in range(2)]
        return machine, made[0]["key"], made[1]["api_key"]["id"]

    def second_factor(self, name: str) -> None:
        """Somebody has a second factor from now on."""
        secret = begin_second_factor(self.url, self.session(name)["access_token"])
        self.call(name, "/v1/second-factor/confirmation", {"code": one_time_code(secret)})


def begin_second_factor(url: str, token: str) -> str:
    return call(f"{url}/v1/second-factor", token, {})["secret"]
