const { add, book } = require("./ledger.js");
const { report } = require("./report.js");
it("adds", () => { expect(add(1, 1)).toBe(2); });
it("books", () => { expect(book({ open: true, entries: [] }, { amount: 1 })).toBe("small"); });
it("reports", () => { expect(report([{ amount: 1 }])).toBe("credit"); });
