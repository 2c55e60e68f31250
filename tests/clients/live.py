"""Stories and schemathesis against a live server: started here on a new district, and stopped at the end.

Usage: live.py GRIDWORK WORK, the built program and the folder in which the clients were built.
"""

import json
import os
import random
import re
import shutil
import signal
import string
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRIDS = ("219901001001001", "219901001001002")
PASSWORD = "a long one for the district of the tests"
# Every role, and where its holder has it.
ROLES = {
    "grid_leader": GRIDS[0],
    "liaison": GRIDS[0],
    "community_worker": "219901001001",
    "call_agent": "219901",
    "duty_officer": "219901",
    "dispatcher": "219901",
    "handler": "219901",
    "mediator": "219901",
    "volunteer": GRIDS[0],
    "supervisor": "219901",
    "auditor": "219901",
    "data_protection_officer": "219901",
    "administrator": "219901",
}
# Seconds after which a request is given up, on a machine that is busy with other things.
LONGEST_ANSWER_S = 120
# Seconds after which a run of schemathesis is given up.
LONGEST_RUN_S = 900
# What schemathesis is not asked to try, each with its reason; every other operation is, also those that come later.
NOT_ASKED = {
    "signOut": "it would end the session in which it asks",
    "endOwnSession": "it would end the session in which it asks, which the list of sessions names",
    "endSessionOfStaff": "it would end the sessions of those who ask beside it",
    "setPassword": "it would end the sessions of those who ask beside it",
    "endOffice": "it would end the offices by which others ask beside it",
}
# What is asked and cannot be carried out, each with its reason: only how it refuses is seen.
OUT_OF_REACH = {
    "exchange": "it takes a phone's key",
    "enrolDevice": "it takes a phone's key",
    "signIn": "it takes a password",
    "changePassword": "it takes a password",
    "refreshSession": "it takes a token that is good once",
    "confirmSecondFactor": "it takes a code of now",
    "importRoster": "it takes a file that is a table",
    "makeApiKey": "it takes a machine client",
    "revokeApiKey": "it takes a key that is there",
    "revokeDevice": "it takes the id of a phone",
    "removeSecondFactor": "it takes a second factor that is there",
}


def call(url: str, token: str | None = None, body: object = None) -> dict:
    """One request with a JSON body, and what it was answered with."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=LONGEST_ANSWER_S) as answer:
        return json.load(answer)


def sign_in(url: str, role: str) -> str:
    return call(f"{url}/v1/sign-in", body={"sign_in": role, "password": PASSWORD})["access_token"]


@contextmanager
def serving(gridwork: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A server on a new district: the addresses of its API and of its metrics."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    areas = [("219901", "示范区"), ("219901001", "繁荣街道"), ("219901001001", "繁荣社区")]
    areas += [(code, f"第{number}网格") for code, number in zip(GRIDS, "一二")]
    staff = [
        {"sign_in": role, "name": role, "password": PASSWORD, "roles": [{"role": role, "area": area}]}
        for role, area in ROLES.items()
    ]
    plan = {"areas": [{"code": code, "name": name} for code, name in areas], "staff": staff}
    (folder / "district.json").write_text(json.dumps(plan))
    environment = os.environ | {
        "GRIDWORK_DATA_DIR": str(folder / "data"),
        "GRIDWORK_ADDRESS": "127.0.0.1:0",
        "GRIDWORK_METRICS_ADDRESS": "127.0.0.1:0",
        "GRIDWORK_ADMINISTRATOR_TOTP": "optional",
        # All roles ask from one address, as fast as they can.
        "GRIDWORK_REQUESTS_PER_MINUTE": "0",
        "GRIDWORK_SIGN_INS_PER_MINUTE": "0",
        "GRIDWORK_PHONE_SEARCHES_PER_HOUR": "0",
    }
    subprocess.run([gridwork, "setup", folder / "district.json"], env=environment, check=True, capture_output=True)
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


def visit(url: str, gridwork: str, folder: Path, leader: str, household: str) -> None:
    """A leader's phone is enrolled, and brings a visit."""
    code = call(f"{url}/v1/devices/enrolment-codes", sign_in(url, "administrator"), {"staff": leader})["code"]
    for words in (["enrol", url, code], ["sync"], ["visit", household, "--note", "一切都好"], ["sync"]):
        environment = os.environ | {"GRIDWORK_PHONE_DIR": str(folder / "phone")}
        subprocess.run([gridwork, "phone", *words], env=environment, check=True, stdout=subprocess.DEVNULL)


def settle(url: str, gridwork: str, folder: Path) -> dict[str, str]:
    """Registers homes in both grids and visits one: what schemathesis is told of, by the names of variables."""
    token = sign_in(url, "call_agent")
    grids = {area["code"]: area["id"] for area in call(f"{url}/v1/areas", token)["items"]}
    homes = []
    for number, code in enumerate(GRIDS * 2):
        resident = {"resident": {"name": f"孙小{'一二三四'[number]}"}, "membership": {"relation": "01"}}
        home = {"grid": grids[code], "dwelling": {"address": f"建设路{number}号"}, "residents": [resident]}
        homes.append(call(f"{url}/v1/households", token, home)["household"])
    read = call(f"{url}/v1/households/{homes[0]}", token)
    person = read["residents"][0]
    leader = call(f"{url}/v1/sign-in", body={"sign_in": "grid_leader", "password": PASSWORD})["staff"]["id"]
    extra = call(f"{url}/v1/sign-in", body={"sign_in": "volunteer", "password": PASSWORD})["staff"]["id"]
    visit(url, gridwork, folder, leader, homes[0])
    return {
        "VERSION": "*",
        "GRID": grids[GRIDS[0]],
        "OTHER_GRID": grids[GRIDS[1]],
        "HOUSEHOLD": homes[0],
        "OTHER_HOUSEHOLD": homes[1],
        "RESIDENT": person["id"],
        "MEMBERSHIP": person["memberships"][0]["id"],
        "LEADER": leader,
        "EXTRA": extra,
    }


def furnish(work: Path, known: dict[str, str]) -> None:
    """The settings of schemathesis, and the document with examples that are there: as committed, they are nowhere."""
    settings = string.Template((HERE / "schemathesis/schemathesis.toml").read_text()).substitute(known)
    (work / "schemathesis.toml").write_text(settings)
    there = {
        "id": "HOUSEHOLD", "household": "HOUSEHOLD", "resident": "RESIDENT", "membership": "MEMBERSHIP",
        "subject": "RESIDENT", "grid": "GRID", "area": "GRID", "parent": "GRID", "staff": "LEADER",
        "If-Match": "VERSION",
    }

    def visit(value: object, name: str) -> object:
        if isinstance(value, list):
            return [visit(one, name) for one in value]
        if not isinstance(value, dict):
            return value
        name = value["name"] if isinstance(value.get("name"), str) and "in" in value else name
        changed = {}
        for key, one in value.items():
            if isinstance(one, str) and key == "example" and name in there:
                one = known[there[name]]
            elif isinstance(one, str) and key in there and len(one) == 22:
                one = known[there[key]]
            changed[key] = visit(one, key if isinstance(one, dict) and key not in ("schema", "items") else name)
        return changed

    document = json.loads((work / "openapi.json").read_text())
    (work / "furnished.json").write_text(json.dumps(visit(document, ""), ensure_ascii=False))


def tell(url: str, work: Path) -> None:
    """The call agent's story in both languages."""
    environment = os.environ | {"GRIDWORK_URL": url, "GRIDWORK_NAME": "call_agent", "GRIDWORK_PASSWORD": PASSWORD}
    subprocess.run(["node", work / "typescript/built/story.js"], env=environment, check=True)
    subprocess.run([sys.executable, work / "generated/story.py"], env=environment, check=True)


def ask(url: str, work: Path, role: str, seed: int, examples: int) -> tuple[str, str, bool]:
    """All phases of schemathesis as a role, or as nobody: the role, what it printed, and whether it found nothing."""
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE / "schemathesis")}
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", work / "schemathesis.toml"]
    command += ["run", work / "furnished.json", "--url", url, "--no-color", "--seed", str(seed)]
    command += ["--max-examples", str(examples), "--continue-on-failure", "--no-shrink"]
    command += ["--generation-database", "none"]
    for operation in NOT_ASKED:
        command += ["--exclude-operation-id", operation]
    if role in ROLES:
        command += ["--header", f"Authorization: Bearer {sign_in(url, role)}"]
    folder = work / "schemathesis" / role
    folder.mkdir(parents=True, exist_ok=True)
    run = subprocess.run(
        command, env=environment, cwd=folder, timeout=LONGEST_RUN_S, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    return role, run.stdout, run.returncode == 0


def never_carried_out(metrics: str, work: Path) -> list[str]:
    """Operations of which no request was answered with success, by what the server counted."""
    with urllib.request.urlopen(metrics, timeout=LONGEST_ANSWER_S) as answer:
        counted = answer.read().decode()
    line = r'gridwork_http_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\}'
    done = set(re.findall(line, counted))
    document = json.loads((work / "openapi.json").read_text())
    operations = {(method.upper(), path): operation["operationId"]
                  for path, item in document["paths"].items() for method, operation in item.items()}
    unknown = (NOT_ASKED.keys() | OUT_OF_REACH.keys()) - set(operations.values())
    if unknown:
        raise SystemExit("there is no such operation: " + ", ".join(sorted(unknown)))
    return sorted(operation for named, operation in operations.items()
                  if named not in done and operation not in NOT_ASKED and operation not in OUT_OF_REACH)


def main() -> None:
    # Whoever is told to stop stops the server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    gridwork, work = sys.argv[1], Path(sys.argv[2])
    seed = int(os.environ.get("GRIDWORK_SEED") or random.randrange(2**32))
    examples = int(os.environ.get("GRIDWORK_EXAMPLES") or 0)
    failed = []
    with serving(gridwork, work / "stories") as (url, _):
        tell(url, work)
    if not examples:
        print("schemathesis asks nothing: GRIDWORK_EXAMPLES says how many requests of each operation it tries")
        return
    print(f"GRIDWORK_SEED={seed}", flush=True)
    with serving(gridwork, work / "district") as (url, metrics):
        furnish(work, settle(url, gridwork, work / "district"))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            asking = [pool.submit(ask, url, work, role, seed, examples) for role in [*ROLES, "nobody"]]
            for one in asking:
                role, printed, clean = one.result()
                summary = re.findall(r"^ *([\d,]+ generated.*)$", printed, re.MULTILINE)
                print(f"schemathesis as {role}: {summary[-1] if summary else 'no summary'}", flush=True)
                if not clean:
                    failed.append(role)
                    print(printed, flush=True)
        missed = never_carried_out(metrics, work)
    if missed:
        print("never carried out, so that only their refusals were tested: " + ", ".join(missed))
    if failed:
        raise SystemExit(f"schemathesis found something as {', '.join(failed)}; GRIDWORK_SEED={seed} repeats it")
    if missed:
        raise SystemExit("every operation has to be carried out at least once: tell schemathesis of what it needs")


if __name__ == "__main__":
    main()
