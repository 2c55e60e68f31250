"""Stories and schemathesis against a live server: started here on a new district, and stopped at the end.

Usage: live.py GRIDWORK WORK, the built program and the folder in which the clients were built. GRIDWORK_EXAMPLES is
how many requests of each operation schemathesis makes up, beyond those that follow from the document; GRIDWORK_SEED
repeats a run.
"""

import csv
import json
import os
import re
import signal
import string
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from district import (
    LONGEST_ANSWER_S,
    PASSWORD,
    ROLES,
    SCOPES,
    Settler,
    begin_second_factor,
    serving,
    sign_in,
    stand_in,
)

HERE = Path(__file__).resolve().parent
PERMISSIONS = HERE.parent.parent / "crates/domain/src/permission/permissions.csv"
# Requests of each operation, each way of asking, unless GRIDWORK_EXAMPLES says more.
EXAMPLES = 2
# What is made up is the same each time, so that a finding is of the change at hand; another seed looks elsewhere.
SEED = 1
# Scenarios of several requests, for each of these.
SCENARIOS = 5
# Seconds after which a run of schemathesis is given up.
LONGEST_RUN_S = 7200
# Stands for the code of the moment in which it is sent.
CODE_OF_NOW = "000000"
# What an administrator is asked last, when nobody else asks any more: it shuts others out.
LAST = {
    "setPassword", "endOffice", "endSessionOfStaff", "removeSecondFactor", "revokeApiKey", "revokeDevice",
}
# What is asked and cannot be carried out, each with its reason: only how it refuses is seen.
OUT_OF_REACH = {
    "exchange": "a phone's key signs it",
    "enrolDevice": "a phone's key signs it",
    "findResidentsByCitizenNumber": "it takes a number that was sealed",
    "readKept": "it takes a change that a phone sent and the registry refused",
    "releaseKept": "it takes a change that a phone sent and the registry refused",
    "discardKept": "it takes a change that a phone sent and the registry refused",
}


def examples(known: dict[str, str], refresh_token: str) -> dict[str, dict[str, object]]:
    """What each operation is asked with that is there, by the names of parameters and fields."""
    office = {"area": known["GRID"], "role": "volunteer", "from_ms": None, "until_ms": None}
    return {
        "breakGlass": {"household": known["AWAY"], "area": None},
        "changeArea": {
            "area": known["COMMUNITY"], "code": None, "valid_from": None, "valid_until": None, "successor": None,
        },
        "confirmSecondFactor": {"code": CODE_OF_NOW},
        "changePassword": {"old_password": PASSWORD},
        "decideConflict": {"path": "household.contact_phone", "value": "13900000001"},
        "dismissDuplicate": {"pair": known["PAIR"]},
        "endOffice": {"staff": known["EXTRA"], "role": "volunteer", "area": known["GRID"]},
        "issueEnrolmentCode": {"staff": known["LEADER"]},
        "makeApiKey": {"staff": known["MACHINE"], "expires_at_ms": int(known["TOMORROW_MS"])},
        "mergeHouseholds": {"id": known["TWIN"], "into": known["OTHER_TWIN"]},
        "openArea": {"parent": known["COMMUNITY"], "code": "219901001001009", "valid_from": None},
        "refreshSession": {"refresh_token": refresh_token},
        "removeSecondFactor": {"staff": known["CAREFUL"]},
        "revealResident": {"id": known["RESIDENT"]},
        "reviewBreakGlass": {"id": known["BROKEN"]},
        "revokeApiKey": {"staff": known["MACHINE"], "api_key": known["SPARE_KEY"]},
        "revokeDevice": {"device": known["DEVICE"]},
        "setPassword": {"staff": known["EXTRA"]},
        "assignOffice": {"staff": known["EXTRA"], **office},
        "appointStaff": {"office": office},
        "signIn": {"sign_in": "extra", "password": PASSWORD, "code": None},
    }


def furnish(document: dict, known: dict[str, str], refresh_token: str) -> dict:
    """The document with examples that are there: as committed, they are nowhere."""
    by_name = {
        "id": "HOUSEHOLD", "household": "HOUSEHOLD", "resident": "RESIDENT", "membership": "MEMBERSHIP",
        "subject": "RESIDENT", "grid": "GRID", "area": "GRID", "parent": "COMMUNITY", "staff": "LEADER",
        "If-Match": "VERSION",
    }
    there = {name: known[variable] for name, variable in by_name.items()}
    by_operation = examples(known, refresh_token)
    for operation in operations(document):
        told = there | by_operation.get(operation["operationId"], {})
        for parameter in operation.get("parameters", []):
            if parameter["name"] in told:
                parameter["example"] = told[parameter["name"]]
                parameter["schema"].pop("example", None)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if isinstance(content.get("example"), dict):
                content["example"] = filled(content["example"], told)
    return document


def filled(example: object, told: dict[str, object]) -> object:
    """An example with what is told in the place of what has the same name; what is told to be nothing is left out."""
    if isinstance(example, list):
        return [filled(one, told) for one in example]
    if not isinstance(example, dict):
        return example
    return {name: told.get(name, filled(one, told)) for name, one in example.items()
            if told.get(name, "") is not None and name != "citizen_number"}


def operations(document: dict) -> list[dict]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def tell(url: str, work: Path) -> None:
    """The call agent's story in both languages."""
    environment = os.environ | {"GRIDWORK_URL": url, "GRIDWORK_NAME": "call_agent", "GRIDWORK_PASSWORD": PASSWORD}
    subprocess.run(["node", work / "typescript/built/story.js"], env=environment, check=True)
    subprocess.run([sys.executable, work / "generated/story.py"], env=environment, check=True)


class Run:
    """Runs of schemathesis on one server: with one seed, and so many examples."""

    def __init__(self, url: str, work: Path, known: dict[str, str], seed: int, examples: int) -> None:
        self.url, self.work, self.known, self.seed, self.examples = url, work, known, seed, examples
        self.document = json.loads((work / "openapi.json").read_text())
        with PERMISSIONS.open() as table:
            rows = list(csv.DictReader(table))
        self.may = {role: {row["operation"] for row in rows if row[role] != "-"} for role in ROLES}

    def ask(self, asker: str) -> tuple[str, str, bool]:
        """All phases as somebody: who, what schemathesis printed, and whether it found nothing."""
        began = time.monotonic()
        role = "administrator" if asker == "administrator, last" else asker
        by = {"url": self.url}
        if role in ROLES:
            by |= {"sign_in": role, "password": PASSWORD}
        if asker in ROLES:
            token = sign_in(self.url, stand_in(role))["access_token"]
            by["stand_in"] = {"token": token, "secret": begin_second_factor(self.url, token), "for": CODE_OF_NOW}
        elif role == "api_key":
            by["token"] = self.known["KEY"]
        # What takes no token looks at nobody: it is asked once.
        chosen = {one["operationId"] for one in operations(self.document) if role == "nobody" or one["security"]}
        if role == "administrator":
            # What leads to it is asked again: scenarios begin there.
            of_staff = {one["operationId"] for one in operations(self.document) if "staff" in one["tags"]}
            chosen = LAST | of_staff if role != asker else chosen - LAST
        folder = self.work / "schemathesis" / asker.replace(", ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        document = json.loads((self.work / "openapi.json").read_text())
        refresh_token = sign_in(self.url, "extra")["refresh_token"]
        (folder / "furnished.json").write_text(json.dumps(furnish(document, self.known, refresh_token)))
        settings = string.Template((HERE / "schemathesis/schemathesis.toml").read_text())
        settings = settings.substitute(self.known, SCENARIOS=SCENARIOS * self.examples)
        (folder / "schemathesis.toml").write_text(settings + self.refused(role))
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": f"{HERE}:{HERE / 'schemathesis'}",
            "PYTHONDONTWRITEBYTECODE": "1", "GRIDWORK_ASKER": json.dumps(by),
        }
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml"]
        command += ["run", folder / "furnished.json", "--url", self.url, "--no-color", "--seed", str(self.seed)]
        command += ["--max-examples", str(self.examples), "--continue-on-failure", "--no-shrink"]
        command += ["--generation-database", "none"]
        for operation in sorted(chosen):
            command += ["--include-operation-id", operation]
        run = subprocess.run(
            command, env=environment, cwd=folder, timeout=LONGEST_RUN_S, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        (folder / "printed").write_text(run.stdout)
        summary = re.findall(r"^ *([\d,]+ generated.*)$", run.stdout, re.MULTILINE)
        took = f"{time.monotonic() - began:.0f} s"
        print(f"schemathesis as {asker}: {summary[-1] if summary else 'no summary'}; {took}", flush=True)
        return asker, run.stdout, run.returncode == 0

    def refused(self, role: str) -> str:
        """Settings for what somebody may not do at all: it is refused before anything is looked at, so that a few
        requests show it, and not one for each bound of each field."""
        def needs(operation: dict) -> str | None:
            return operation.get("x-gridwork-permission")

        may = self.may.get(role) or (set(SCOPES) if role == "api_key" else set())
        names = [one["operationId"] for one in operations(self.document) if needs(one) and needs(one) not in may]
        if not names:
            return ""
        return f"\n[[operations]]\ninclude-operation-id = {json.dumps(names)}\nphases.coverage.enabled = false\n"


def never_carried_out(metrics: str, document: dict) -> list[str]:
    """Operations of which no request was answered with success, by what the server counted."""
    with urllib.request.urlopen(metrics, timeout=LONGEST_ANSWER_S) as answer:
        counted = answer.read().decode()
    line = r'gridwork_http_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\}'
    done = set(re.findall(line, counted))
    names = {(method.upper(), path): operation["operationId"]
             for path, item in document["paths"].items() for method, operation in item.items()}
    unknown = (LAST | OUT_OF_REACH.keys()) - set(names.values())
    if unknown:
        raise SystemExit("there is no such operation: " + ", ".join(sorted(unknown)))
    return sorted(name for named, name in names.items() if named not in done and name not in OUT_OF_REACH)


def main() -> None:
    # Whoever is told to stop stops the server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    gridwork, work = sys.argv[1], Path(sys.argv[2])
    seed = int(os.environ.get("GRIDWORK_SEED") or SEED)
    examples = int(os.environ.get("GRIDWORK_EXAMPLES") or EXAMPLES)
    with serving(gridwork, work / "stories") as (url, _):
        tell(url, work)
    print(f"GRIDWORK_SEED={seed} GRIDWORK_EXAMPLES={examples}", flush=True)
    with serving(gridwork, work / "district") as (url, metrics):
        run = Run(url, work, Settler(url, gridwork, work / "district").settle(), seed, examples)
        together = [role for role in ROLES if role != "administrator"] + ["api_key", "nobody"]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            try:
                asked = list(pool.map(run.ask, together))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        asked += [run.ask(asker) for asker in ("administrator", "administrator, last")]
        missed = never_carried_out(metrics, run.document)
    failed = [(asker, printed) for asker, printed, clean in asked if not clean]
    for asker, printed in failed:
        print(f"\n-- as {asker}\n{printed}", flush=True)
    if failed:
        names = ", ".join(asker for asker, _ in failed)
        raise SystemExit(f"schemathesis found something as {names}; GRIDWORK_SEED={seed} repeats it")
    if missed:
        raise SystemExit("every operation has to be carried out at least once: tell schemathesis what it needs for "
                         + ", ".join(missed))


if __name__ == "__main__":
    main()
