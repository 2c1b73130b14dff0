const assert = require("node:assert");
const { Given, When, Then } = require("@cucumber/cucumber");
let attempts = 0;
Given("an empty ledger", function () { this.balance = 0; });
When("{int} entries are booked", function (n) { this.balance += n; });
When("it is still to be written", () => "pending");
When("it is skipped", () => "skipped");
When("it fails once", () => { if (++attempts < 2) throw new Error("attempt " + attempts); });
Then("its balance is {int}", function (n) { assert.strictEqual(this.balance, n); });
