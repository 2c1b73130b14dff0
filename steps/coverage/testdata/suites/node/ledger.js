exports.add = (a, b) => a + b;

exports.book = (ledger, entry) => {
  if (entry.amount === 0) {
    throw new Error("an entry of nothing");
  }
  if (entry.amount < 0 && !ledger.open) return false;
  ledger.entries.push(entry);
  return entry.amount > 100 ? "large" : "small";
};
