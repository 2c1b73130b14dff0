const { add } = require("./ledger.js");

exports.report = (entries) => {
  let sum = 0;
  for (const e of entries) sum = add(sum, e.amount);
  switch (true) {
    case sum > 0:
      return "credit";
    case sum < 0:
      return "debit";
    default:
      return "even";
  }
};
