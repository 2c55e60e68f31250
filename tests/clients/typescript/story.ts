// A call agent's morning, told with the client that is generated from the API's document.
//
// Given are the server's address and the agent's name and password, by the environment.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/gridwork.js";

type Problem = components["schemas"]["Problem"];

function given(name: string): string {
    const value = process.env[name];
    assert.ok(value, `${name} is set`);
    return value;
}

/** What a call was answered with; a problem ends the story with what it says. */
function told<T>(answer: { data?: T; error?: Problem; response: Response }): T {
    if (answer.error !== undefined || answer.data === undefined) {
        throw new Error(`${answer.response.status}: ${answer.error?.detail ?? "no body"}`);
    }
    return answer.data;
}

const open = createClient<paths>({ baseUrl: given("GRIDWORK_URL") });

// Nobody reads anything without signing in.
const unknown = await open.GET("/v1/households");
assert.equal(unknown.response.status, 401);
assert.equal(unknown.error?.type, "urn:problem-type:gridwork:unauthenticated");

const wrong = await open.POST("/v1/sign-in", { body: { sign_in: given("GRIDWORK_NAME"), password: "a guess" } });
assert.equal(wrong.response.status, 401);

const signedIn = told(
    await open.POST("/v1/sign-in", {
        body: { sign_in: given("GRIDWORK_NAME"), password: given("GRIDWORK_PASSWORD") },
    }),
);
assert.equal(signedIn.token_type, "Bearer");
assert.deepEqual(signedIn.roles.map((one) => one.role), ["call_agent"]);
const agent = createClient<paths>({
    baseUrl: given("GRIDWORK_URL"),
    headers: { authorization: `Bearer ${signedIn.access_token}` },
});

// A grid of the district, and a household in it with one resident.
const areas = told(await agent.GET("/v1/areas"));
const grid = areas.items.find((area) => area.code.length === 15);
assert.ok(grid, "there is a grid");
const registered = told(
    await agent.POST("/v1/households", {
        body: {
            grid: grid.id,
            household: { contact_phone: "13800000001" },
            dwelling: { address: "建设路3号", building: "2号楼", floor: 5 },
            residents: [{ resident: { name: "赵明月", sex: "2" }, membership: { relation: "01" } }],
        },
    }),
);

// Somebody calls and says her name.
const found = told(await agent.GET("/v1/households", { params: { query: { resident_name: "赵明" } } }));
assert.deepEqual(found.items.map((one) => one.id), [registered.household]);
assert.equal(found.items[0]?.dwelling.address, "建设路3号");

// The agent reads the household, and corrects the telephone number on the version that was read.
const path = { id: registered.household };
const answer = await agent.GET("/v1/households/{id}", { params: { path } });
const seen = answer.response.headers.get("etag");
const household = told(answer);
assert.equal(seen, household.version, "the header and the body name one version");
assert.ok(seen);
assert.equal(household.residents[0]?.resident.name, "赵明月");
const corrected = await agent.PATCH("/v1/households/{id}", {
    params: { path, header: { "If-Match": seen } },
    body: { contact_phone: "13800000002" },
});
assert.notEqual(corrected.response.headers.get("etag"), seen, "it is another version now");
assert.equal(told(corrected).concurrent, false);

// A colleague who still has the first version on the screen gives another number: both stay, until somebody decides.
const late = told(
    await agent.PATCH("/v1/households/{id}", {
        params: { path, header: { "If-Match": seen } },
        body: { contact_phone: "13800000003" },
    }),
);
assert.equal(late.concurrent, true);
const conflict = late.conflicts.find((one) => one.path === "household.contact_phone");
assert.deepEqual(conflict?.alternatives.map((one) => one.value).sort(), ["138****0002", "138****0003"]);
const listed = told(await agent.GET("/v1/conflicts", { params: { query: { limit: 200 } } }));
assert.ok(listed.items.some((one) => one.household === path.id));

// The agent sees masks alone, looks at both numbers for a reason, asks back, and decides.
const revealed = told(
    await agent.POST("/v1/households/{id}/reveal", {
        params: { path },
        body: { fields: ["contact_phone"], reason: "核对两个号码" },
    }),
);
const values = revealed.conflicts[0]?.alternatives.map((one) => one.value).sort();
assert.deepEqual(values, ["13800000002", "13800000003"]);
const decided = told(
    await agent.POST("/v1/households/{id}/decisions", {
        params: { path, header: { "If-Match": late.version } },
        body: { path: "household.contact_phone", value: "13800000003" },
    }),
);
assert.deepEqual(decided.conflicts, []);
const after = told(await agent.GET("/v1/households/{id}", { params: { path } }));
assert.equal(after.household.contact_phone, "138****0003");
assert.deepEqual(after.household.masked, ["contact_phone"]);

// What cannot be is refused with the field and the reason, and changes nothing.
const refused = await agent.PATCH("/v1/households/{id}", {
    params: { path, header: { "If-Match": after.version } },
    body: { contact_phone: "12" },
});
assert.equal(refused.response.status, 422);
assert.equal(refused.response.headers.get("content-type"), "application/problem+json");
assert.deepEqual(refused.error?.errors?.map((one) => one.field), ["household.contact_phone"]);
assert.equal(told(await agent.GET("/v1/households/{id}", { params: { path } })).version, after.version);

// What is not there and what lies outside the agent's areas are the same.
const nowhere = await agent.GET("/v1/households/{id}", { params: { path: { id: "AZk2b0cRcAC7rJ0l7m9m1g" } } });
assert.equal(nowhere.error?.type, "urn:problem-type:gridwork:not-found");

console.log("the call agent's story, in TypeScript: passed");
