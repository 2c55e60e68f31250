"""A call agent's morning, told with the client that is generated from the API's document.

Given are the server's address and the agent's name and password, by the environment.
"""

import os
from http import HTTPStatus
from typing import TypeVar

from gridwork_client import AuthenticatedClient, Client
from gridwork_client.api.areas import list_areas
from gridwork_client.api.conflicts import decide_conflict, list_conflicts
from gridwork_client.api.households import (
    correct_household,
    list_households,
    read_household,
    register_household,
    reveal_household,
)
from gridwork_client.api.sign_in import sign_in
from gridwork_client.api.visits import list_visits
from gridwork_client.models import (
    Decision,
    DwellingFields,
    HouseholdFields,
    MembershipFields,
    NewHousehold,
    NewResident,
    Problem,
    ResidentFields,
    RevealHousehold,
    SignIn,
)
from gridwork_client.types import Response

Body = TypeVar("Body")


def told(answer: Response[Body | Problem]) -> Body:
    """What a call was answered with; a problem ends the story with what it says."""
    parsed = answer.parsed
    assert parsed is not None, f"{answer.status_code}: no body"
    assert not isinstance(parsed, Problem), f"{answer.status_code}: {parsed.detail}"
    return parsed


def problem(answer: Response[Body | Problem], status: HTTPStatus) -> Problem:
    """The problem with which a call was refused."""
    assert answer.status_code == status, f"{answer.status_code}, not {status}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert isinstance(answer.parsed, Problem)
    return answer.parsed


def main() -> None:
    url, name = os.environ["GRIDWORK_URL"], os.environ["GRIDWORK_NAME"]
    anybody = Client(base_url=url, raise_on_unexpected_status=True)

    # A wrong password does not sign in.
    guess = sign_in.sync_detailed(client=anybody, body=SignIn(sign_in=name, password="a guess"))
    assert problem(guess, HTTPStatus.UNAUTHORIZED).type_ == "urn:problem-type:gridwork:unauthenticated"

    signed_in = told(
        sign_in.sync_detailed(
            client=anybody, body=SignIn(sign_in=name, password=os.environ["GRIDWORK_PASSWORD"])
        )
    )
    assert [one.role for one in signed_in.roles] == ["call_agent"]
    agent = AuthenticatedClient(base_url=url, token=signed_in.access_token, raise_on_unexpected_status=True)

    # A grid of the district, and a household in it with one resident.
    areas = told(list_areas.sync_detailed(client=agent))
    grid = next(area for area in areas.items if len(area.code) == 15)
    registered = told(
        register_household.sync_detailed(
            client=agent,
            body=NewHousehold(
                grid=grid.id,
                household=HouseholdFields(contact_phone="13900000001"),
                dwelling=DwellingFields(address="解放路8号", floor=2),
                residents=[
                    NewResident(
                        resident=ResidentFields(name="钱小雨", sex="2"),
                        membership=MembershipFields(relation="01"),
                    )
                ],
            ),
        )
    )

    # Somebody calls and says her name.
    found = told(list_households.sync_detailed(client=agent, resident_name="钱小"))
    assert [one.id for one in found.items] == [registered.household]
    assert found.items[0].dwelling.address == "解放路8号"

    # The agent reads the household, and corrects the telephone number on the version that was read.
    id_ = registered.household
    read = read_household.sync_detailed(id_, client=agent)
    seen = told(read).version
    assert read.headers["etag"] == seen, "the header and the body name one version"
    assert told(read).residents[0].resident.name == "钱小雨"
    corrected = told(
        correct_household.sync_detailed(
            id_, client=agent, if_match=seen, body=HouseholdFields(contact_phone="13900000002")
        )
    )
    assert corrected.version != seen and not corrected.concurrent

    # A colleague who still has the first version on the screen gives another number: both stay, until somebody decides.
    late = told(
        correct_household.sync_detailed(
            id_, client=agent, if_match=seen, body=HouseholdFields(contact_phone="13900000003")
        )
    )
    assert late.concurrent
    values = [one.value for one in late.conflicts[0].alternatives]
    assert sorted(map(str, values)) == ["139****0002", "139****0003"] and late.conflicts[0].masked
    listed = told(list_conflicts.sync_detailed(client=agent, limit=200))
    assert any(one.household == id_ for one in listed.items)

    # The agent sees masks alone, looks at both numbers for a reason, asks back, and decides.
    reason = RevealHousehold(fields=["contact_phone"], reason="核对两个号码")
    revealed = told(reveal_household.sync_detailed(id_, client=agent, body=reason))
    values = [one.value for one in revealed.conflicts[0].alternatives]
    assert sorted(map(str, values)) == ["13900000002", "13900000003"]
    decision = Decision(path="household.contact_phone", value="13900000003")
    decided = told(decide_conflict.sync_detailed(id_, client=agent, if_match=late.version, body=decision))
    assert decided.conflicts == []
    after = told(read_household.sync_detailed(id_, client=agent))
    assert after.household.contact_phone == "139****0003" and after.household.masked == ["contact_phone"]

    # What cannot be is refused with the field and the reason, and changes nothing.
    refused = correct_household.sync_detailed(
        id_, client=agent, if_match=after.version, body=HouseholdFields(contact_phone="12")
    )
    errors = problem(refused, HTTPStatus.UNPROCESSABLE_ENTITY).errors
    assert isinstance(errors, list) and [one.field for one in errors] == ["household.contact_phone"]
    assert told(read_household.sync_detailed(id_, client=agent)).version == after.version

    # Nobody was there yet; and what is not there and what lies outside the agent's areas are the same.
    assert told(list_visits.sync_detailed(id_, client=agent)).items == []
    nowhere = read_household.sync_detailed("AZk2b0cRcAC7rJ0l7m9m1g", client=agent)
    assert problem(nowhere, HTTPStatus.NOT_FOUND).type_ == "urn:problem-type:gridwork:not-found"

    print("the call agent's story, in Python: passed")


if __name__ == "__main__":
    main()
