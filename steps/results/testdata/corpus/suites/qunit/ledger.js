QUnit.module("ledger", () => {
  QUnit.test("adds", (assert) => { assert.equal(2, 2); });
  QUnit.test("is balanced & <closed>", (assert) => { assert.equal(1, 2, "the balance"); });
  QUnit.skip("is skipped", () => {});
  QUnit.todo("is to be done", (assert) => { assert.ok(false); });
});
