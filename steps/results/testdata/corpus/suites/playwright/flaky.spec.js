const { test, expect } = require("@playwright/test");
test.describe.configure({ retries: 2 });
test("passes at the second attempt", ({}, info) => { console.log("attempt", info.retry); expect(info.retry).toBeGreaterThan(0); });
test("fails at every attempt", ({}) => { expect("EUR").toBe("USD"); });
test.fail("is expected to fail", ({}) => { throw new Error("as it should"); });
test.fixme("is to be fixed", ({}) => {});
test("takes too long", async ({}, info) => { info.setTimeout(50); await new Promise(() => {}); });
test.step;
