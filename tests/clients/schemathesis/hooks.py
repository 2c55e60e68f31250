"""What schemathesis needs to know of this API: how it signs in, how a body of CBOR is sent, what a roster looks like.

Given is by whom it asks, in the environment: `GRIDWORK_ASKER` has the server's `url`, and either the name and password
of a member of staff or the `token` of a machine client; nothing more for nobody. `stand_in` is somebody of the
same role: the `token`, the `secret` of a second factor that was begun, and the code `for` which that of now is sent.
"""

import json
import os
import threading
import time
import urllib.request

import schemathesis
from hypothesis import strategies
from one_time_code import one_time_code

ASKER = json.loads(os.environ["GRIDWORK_ASKER"])
# Seconds after which an access token is not used any more, which holds for a quarter of an hour.
LONGEST_USE_S = 600
# What may end the session in which it was asked.
ENDING = {"signOut", "endOwnSession", "endSessionOfStaff"}
# What locks the name of whoever guesses: that is asked as the one who stands in.
LOCKING = {"changePassword", "confirmSecondFactor"}
ROSTERS = [
    "住址,姓名\n解放路1号,周一\n解放路2号,周二\n",
    "address,name,relation\nLiberation Road 3,Zhou San,01\nLiberation Road 3,Zhou Si,02\n",
    "住址,姓名,性别\n解放路4号,,9\n",
]


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@schemathesis.serializer("application/cbor", "text/csv", XLSX)
def as_it_is(ctx: schemathesis.SerializationContext, value: object) -> bytes:
    """Bytes stay what they are. What is sent need be neither CBOR nor a table."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


schemathesis.openapi.media_type(
    "text/csv", strategies.sampled_from(ROSTERS).map(str.encode) | strategies.binary(max_size=200)
)


askers: list["Asker"] = []


@schemathesis.auth(refresh_interval=None)
class Asker:
    """Signs in when it is first asked, when the token grows old, and after the session was ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.password = ASKER.get("password")
        self.token = ASKER.get("token")
        self.since = time.monotonic()
        askers.append(self)

    def get(self, case: schemathesis.Case, context: object) -> str | None:
        operation = case.operation.definition.raw
        if not operation.get("security"):
            return None
        if operation["operationId"] in LOCKING and "stand_in" in ASKER:
            return ASKER["stand_in"]["token"]
        with self.lock:
            if self.password and (self.token is None or time.monotonic() - self.since > LONGEST_USE_S):
                self.sign_in()
            return self.token

    def set(self, case: schemathesis.Case, data: str, context: object) -> None:
        case.headers["Authorization"] = f"Bearer {data}"

    def sign_in(self) -> None:
        body = json.dumps({"sign_in": ASKER["sign_in"], "password": self.password}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{ASKER['url']}/v1/sign-in", body, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            self.token = json.load(answer)["access_token"]
        self.since = time.monotonic()

    def forget(self) -> None:
        """The session may have been ended."""
        with self.lock:
            if self.password:
                self.token = None


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, object]) -> None:
    if "stand_in" in ASKER and case.body == {"code": ASKER["stand_in"]["for"]}:
        case.body = {"code": one_time_code(ASKER["stand_in"]["secret"])}


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    if case.operation.definition.raw["operationId"] in ENDING and response.status_code < 300:
        for one in askers:
            one.forget()


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Exception, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """A stream of events is one text in OpenAPI 3.1, and schemathesis holds each event, taken apart, against its schema."""
    return getattr(failure, "title", "") != "SSE event violates schema"
