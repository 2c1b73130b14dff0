const { test } = require("node:test");
const { add, book } = require("./ledger.js");
test("adds and books", () => { add(1, 1); book({ open: true, entries: [] }, { amount: 1 }); });
